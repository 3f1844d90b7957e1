import { nativeFolder, readInstalledBuild, type InstalledBuild } from '@drf/engine';
import { DrfError, EXECUTION_PROVIDERS, UnavailableError, type EngineName, type ExecutionProvider } from '@drf/tensor';
import { spell } from '@drf/terminal';
import type { Finding } from '../report.js';
import type { Machine, MeasuredEngine } from '../machine.js';

const TOPIC = 'Engines';

type Accelerator = Exclude<ExecutionProvider, 'cpu'>;

type Outcome = MeasuredEngine | { readonly failure: string; readonly remedy?: string | undefined };

async function measure(machine: Machine, name: EngineName): Promise<Outcome> {
  try {
    return await machine.measureEngine(name);
  } catch (error) {
    if (!(error instanceof DrfError)) return { failure: String(error) };
    const { received: failure, remedy } = error.report;
    return { failure, remedy };
  }
}

const speed = ({ gflops }: MeasuredEngine): string => `${gflops >= 10 ? gflops.toFixed(0) : gflops.toFixed(1)} GFLOP/s`;

/** The installed build, or why its record cannot be read. */
function installedBuild({ environment, home }: Machine): InstalledBuild | { readonly failure: string } | undefined {
  try {
    return readInstalledBuild(nativeFolder(environment, home));
  } catch (error) {
    return { failure: (error as Error).message };
  }
}

function nativeFinding(machine: Machine, outcome: Outcome): Finding {
  const subject = 'eager:tensorflow';
  const build = installedBuild(machine);
  if (!('failure' in outcome)) {
    const device = outcome.gpu === true ? 'GPU' : 'CPU';
    const found = `TensorFlow ${outcome.version ?? '?'}, ${device}, ${speed(outcome)}`;
    const wanted = build !== undefined && !('failure' in build) ? build.device : undefined;
    if (wanted !== 'gpu' || outcome.gpu === true) return { topic: TOPIC, subject, mark: 'good', found };
    const advice = 'it was built for a GPU but computes on the CPU: see the lines on the GPU below';
    return { topic: TOPIC, subject, mark: 'warning', found, advice };
  }
  if (build === undefined) {
    const advice = `for a GPU, run ${spell('tensorflow:install')}; nothing else needs it`;
    return { topic: TOPIC, subject, mark: 'absent', found: 'not installed', advice };
  }
  const found = `does not work: ${outcome.failure}`;
  return {
    topic: TOPIC,
    subject,
    mark: 'warning',
    found,
    advice: `run ${spell('tensorflow:install')} again, or with --remove`,
  };
}

/** @param failed how bad it is when it does not work, and what to do */
function engineFinding(
  subject: EngineName,
  outcome: Outcome,
  failed: { readonly mark: 'warning' | 'problem'; readonly advice: string },
): Finding {
  if (!('failure' in outcome)) return { topic: TOPIC, subject, mark: 'good', found: speed(outcome) };
  return { topic: TOPIC, subject, ...failed, found: `does not work: ${outcome.failure}` };
}

/** What an accelerator computes, or why it does not and what to do; nothing needs one. */
function acceleratorFinding(subject: EngineName, outcome: Outcome): Finding {
  if (!('failure' in outcome)) return { topic: TOPIC, subject, mark: 'good', found: speed(outcome) };
  const { failure, remedy = "update the GPU's driver" } = outcome;
  return { topic: TOPIC, subject, mark: 'absent', found: `does not work: ${failure}`, advice: remedy };
}

/** Accelerators that ONNX Runtime was built with; none where it does not load, which is the line of `compiled`. */
function accelerators(machine: Machine): Accelerator[] {
  try {
    const installed = machine.providers();
    return EXECUTION_PROVIDERS.filter((name) => name !== 'cpu').filter((name) => installed.includes(name));
  } catch (error) {
    if (error instanceof UnavailableError) return [];
    throw error;
  }
}

interface Measured {
  readonly native: Outcome;
  readonly compiled: Outcome;
  readonly wasm: Outcome;
  /** Engines on accelerators that work. */
  readonly working: readonly EngineName[];
}

async function automaticFinding(machine: Machine, { native, compiled, wasm, working }: Measured): Promise<Finding[]> {
  const name = await automaticName(machine, { native, compiled, wasm, working });
  if (name === undefined) return [];
  const others = working.filter((each) => each !== name);
  const named = others.length === 0 ? '' : `; ${others.join(', ')} only where it is named`;
  return [{ topic: TOPIC, subject: 'auto', mark: 'good', found: `takes ${name}${named}` }];
}

async function automaticName(machine: Machine, { native, compiled, wasm }: Measured): Promise<EngineName | undefined> {
  if (!('failure' in native) && native.gpu === true) return 'eager:tensorflow';
  if ('failure' in compiled) return 'failure' in wasm ? undefined : 'eager:wasm';
  const provider = await machine.chosenProvider();
  return provider === 'cpu' ? 'compiled' : `compiled:${provider}`;
}

/** Starts each engine and multiplies matrices, one engine after the other so that none slows another down. */
export async function probeEngines(
  machine: Machine,
  onEngine: (name: EngineName) => void = () => undefined,
): Promise<Finding[]> {
  const measureNext = (name: EngineName): Promise<Outcome> => {
    onEngine(name);
    return measure(machine, name);
  };
  const compiled = await measureNext('compiled');
  const onAccelerators: { readonly name: EngineName; readonly outcome: Outcome }[] = [];
  for (const provider of accelerators(machine)) {
    const name = `compiled:${provider}` as const;
    onAccelerators.push({ name, outcome: await measureNext(name) });
  }
  const wasm = await measureNext('eager:wasm');
  const cpu = await measureNext('eager:cpu');
  const native = await measureNext('eager:tensorflow');
  const again = `run "${spell('install')}" again`;
  const isWasmNeeded = 'failure' in compiled; // `auto` falls back on it: without both nothing trains by default
  const working = onAccelerators.flatMap(({ name, outcome }) => ('failure' in outcome ? [] : [name]));
  return [
    engineFinding('compiled', compiled, {
      mark: 'warning',
      advice: 'training falls back on the much slower eager:wasm; see the line on onnxruntime-node',
    }),
    ...onAccelerators.map(({ name, outcome }) => acceleratorFinding(name, outcome)),
    engineFinding('eager:wasm', wasm, {
      mark: isWasmNeeded ? 'problem' : 'warning',
      advice: isWasmNeeded ? `${again}: no engine works by default` : again,
    }),
    engineFinding('eager:cpu', cpu, { mark: 'problem', advice: `${again}: TensorFlow.js itself is broken` }),
    nativeFinding(machine, native),
    ...(await automaticFinding(machine, { native, compiled, wasm, working })),
  ];
}
