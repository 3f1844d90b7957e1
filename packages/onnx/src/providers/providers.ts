import { join } from 'node:path';
import {
  ConfigurationError,
  EXECUTION_PROVIDERS,
  UnavailableError,
  type ExecutionProvider,
  type HostTensor,
} from '@drf/tensor';
import type { ProviderMachine } from './machine.js';
import { THIS_MACHINE } from './this-machine.js';

/** A provider other than the CPU. */
export type Accelerator = Exclude<ExecutionProvider, 'cpu'>;

/** Why a provider does not work, and what to do about it. */
export interface ProviderFault {
  readonly reason: string;
  readonly remedy: string;
}

/** A provider that `auto` does not take. */
export interface PassedOver extends ProviderFault {
  readonly provider: Accelerator;
  /** Whether everything seemed to be there, so that it was tried. */
  readonly tried: boolean;
}

/** Numbers of a provider may differ by so much from the CPU's, relative to the largest. */
const LARGEST_DIFFERENCE = 1e-3;

const NVIDIA_DEVICES = ['/dev/nvidiactl', '/dev/dxg']; // of the driver, and of WSL
const CUDA_LIBRARY = 'libonnxruntime_providers_cuda.so';
const CUDA_LIBRARIES = [CUDA_LIBRARY, 'libonnxruntime_providers_shared.so'];
const NEEDED_BY_CUDA = "NVIDIA's driver, CUDA 12 and cuDNN 9";

/** What can be said of an accelerator without starting it. */
interface AcceleratorFacts {
  /**
   * What it lacks. There is none where nothing tells without starting it whether there is a GPU: to ask would take time
   * on every start, and the answer may be a program that plays a GPU on the CPU.
   */
  readonly lacks?: (machine: ProviderMachine) => ProviderFault | undefined;
  /** What to look after where it does not work. */
  readonly remedy: string;
}

const ACCELERATORS: Readonly<Record<Accelerator, AcceleratorFacts>> = {
  cuda: {
    lacks(machine) {
      if (!NVIDIA_DEVICES.some(machine.exists)) {
        return {
          reason: `no NVIDIA GPU that this process may use (neither of ${NVIDIA_DEVICES.join(', ')} is there)`,
          remedy: "install NVIDIA's driver, and let a container have the GPU (docker run --gpus all)",
        };
      }
      const folder = machine.libraries();
      const missing = CUDA_LIBRARIES.filter((name) => !machine.exists(join(folder, name)));
      if (missing.length === 0) return undefined;
      return {
        reason: `${missing.join(' and ')} missing from ${folder}: the install script of onnxruntime-node did not fetch them`,
        remedy: `run "node ${join(machine.package(), 'script', 'install.js')}", which fetches them from nuget.org`,
      };
    },
    remedy: `install ${NEEDED_BY_CUDA}, where the loader finds them (ldconfig, LD_LIBRARY_PATH)`,
  },
  webgpu: { remedy: "install the GPU's driver (on Linux with Vulkan and libvulkan.so.1)" },
  coreml: { remedy: 'update macOS, or compute on the CPU' },
  dml: { remedy: "install the GPU's driver for DirectX 12" },
};

/** All providers but the CPU. */
const ACCELERATOR_NAMES = EXECUTION_PROVIDERS.filter((provider) => provider !== 'cpu');

/** What a provider lacks, told without starting it. @throws UnavailableError when ONNX Runtime does not load */
function lackOf(provider: ExecutionProvider, machine: ProviderMachine): ProviderFault | undefined {
  const installed = machine.installed();
  if (installed.includes(provider)) return provider === 'cpu' ? undefined : ACCELERATORS[provider].lacks?.(machine);
  const offered = EXECUTION_PROVIDERS.filter((name) => installed.includes(name));
  return {
    reason: `an ONNX Runtime for ${machine.platform}, which has ${offered.join(', ')} alone`,
    remedy: 'choose one that it has',
  };
}

function unavailable(
  provider: ExecutionProvider,
  { reason, remedy }: ProviderFault,
  cause?: unknown,
): UnavailableError {
  return new UnavailableError(
    {
      subject: `engine "compiled:${provider}"`,
      expected: 'a machine on which ONNX Runtime computes with it',
      received: reason,
      remedy: `${remedy}, or use "compiled:cpu"`,
    },
    cause === undefined ? undefined : { cause },
  );
}

/**
 * Checks what can be told without starting a provider.
 * @throws ConfigurationError for an unknown provider; UnavailableError for one that is not installed or lacks something
 */
export function assertProvider(provider: string, machine: ProviderMachine = THIS_MACHINE): void {
  const known = EXECUTION_PROVIDERS.find((name) => name === provider);
  if (known === undefined) {
    throw new ConfigurationError({
      subject: 'option "provider"',
      expected: `one of ${EXECUTION_PROVIDERS.join(', ')}`,
      received: `"${provider}"`,
    });
  }
  const lack = lackOf(known, machine);
  if (lack !== undefined) throw unavailable(known, lack);
}

/** max |a − b| / max |b| of a tensor; infinite where a number is none. */
function relativeDifference(received: HostTensor | undefined, expected: HostTensor): number {
  if (received?.data.length !== expected.data.length) return Infinity;
  let [largest, scale] = [0, 0];
  expected.data.forEach((want, i) => {
    const difference = Math.abs((received.data[i] as number) - want);
    largest = Number.isNaN(difference) ? Infinity : Math.max(largest, difference);
    scale = Math.max(scale, Math.abs(want));
  });
  return largest / scale;
}

/** The reason of a failed trial: libraries that are missing, where they are what it comes down to, else the runtime's words. */
async function failure(provider: Accelerator, error: unknown, machine: ProviderMachine): Promise<ProviderFault> {
  if (!(error instanceof UnavailableError)) throw error;
  const missing = provider === 'cuda' ? await machine.unresolved(join(machine.libraries(), CUDA_LIBRARY)) : [];
  const words = error.report.received.trim().replace(/\s+/g, ' ');
  const reason = missing.length === 0 ? words : `${missing.join(', ')} not found (${words})`;
  return { reason, remedy: ACCELERATORS[provider].remedy };
}

interface Trial {
  readonly fault?: ProviderFault;
  /** Works, but with less than float32. */
  readonly imprecise?: ProviderFault;
}

/** Computes something small on a provider and on the CPU, and compares. */
async function tryProvider(provider: Accelerator, machine: ProviderMachine): Promise<Trial> {
  let received: readonly HostTensor[];
  try {
    received = await machine.compute(provider);
  } catch (error) {
    return { fault: await failure(provider, error, machine) };
  }
  const [layers, precision] = (await machine.compute('cpu')).map((each, i) => relativeDifference(received[i], each));
  const remedy = "update the GPU's driver";
  const limit = `where ${LARGEST_DIFFERENCE} is allowed`;
  if (!((layers ?? Infinity) <= LARGEST_DIFFERENCE)) {
    return { fault: { reason: `numbers that differ from the CPU's by ${layers} of the largest, ${limit}`, remedy } };
  }
  if ((precision ?? Infinity) <= LARGEST_DIFFERENCE) return {};
  const reason = `products of less than float32 precision: a sum that cancels differs by ${precision} of its value, ${limit}`;
  return { imprecise: { reason, remedy: `name "compiled:${provider}" if that is wanted (NVIDIA_TF32_OVERRIDE)` } };
}

/** Trials of this machine, each made once in a process. */
const trials = new Map<Accelerator, Promise<Trial>>();

function trialOf(provider: Accelerator, machine: ProviderMachine): Promise<Trial> {
  if (machine !== THIS_MACHINE) return tryProvider(provider, machine);
  const trial = trials.get(provider) ?? tryProvider(provider, machine);
  trials.set(provider, trial);
  return trial;
}

/**
 * Checks that a provider works here: on an accelerator something small is computed, and compared with the CPU.
 * @throws ConfigurationError for an unknown provider; UnavailableError that says why it does not work and what to do
 */
export async function assertProviderWorks(
  provider: ExecutionProvider,
  machine: ProviderMachine = THIS_MACHINE,
): Promise<void> {
  assertProvider(provider, machine);
  if (provider === 'cpu') return;
  const { fault } = await trialOf(provider, machine);
  if (fault !== undefined) throw unavailable(provider, fault);
}

/**
 * The provider that `auto` takes: the first accelerator that shows without being started that there is a GPU, and that
 * then computes in float32 what the CPU computes, to 1e-3; else the CPU.
 * @throws UnavailableError when ONNX Runtime does not load
 */
export async function chooseProvider(
  machine: ProviderMachine = THIS_MACHINE,
): Promise<{ readonly provider: ExecutionProvider; readonly passedOver: readonly PassedOver[] }> {
  const passedOver: PassedOver[] = [];
  for (const provider of ACCELERATOR_NAMES) {
    const lack = lackOf(provider, machine) ?? unasked(provider);
    if (lack !== undefined) {
      passedOver.push({ provider, tried: false, ...lack });
      continue;
    }
    const { fault, imprecise } = await trialOf(provider, machine);
    const found = fault ?? imprecise;
    if (found === undefined) return { provider, passedOver };
    passedOver.push({ provider, tried: true, ...found });
  }
  return { provider: 'cpu', passedOver };
}

function unasked(provider: Accelerator): ProviderFault | undefined {
  if (ACCELERATORS[provider].lacks !== undefined) return undefined;
  return {
    reason: 'nothing tells without starting it whether there is a GPU',
    remedy: `name "compiled:${provider}" to use it`,
  };
}
