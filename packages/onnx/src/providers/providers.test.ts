import { describe, expect, it } from 'vitest';
import { UnavailableError, type ExecutionProvider } from '@drf/tensor';
import { machineWith, type FakeProviderMachine } from '../testing/index.js';
import { assertProvider, assertProviderWorks, chooseProvider } from './providers.js';
import { THIS_MACHINE } from './this-machine.js';
import { computeTrial } from './trial.js';

async function whyNot(provider: ExecutionProvider, machine: FakeProviderMachine): Promise<string> {
  const error: unknown = await assertProviderWorks(provider, machine).catch((caught: unknown) => caught);
  expect(error).toBeInstanceOf(UnavailableError);
  return (error as Error).message;
}

describe('assertProviderWorks', () => {
  it('lets the CPU pass without starting anything', async () => {
    const machine = machineWith({});
    await assertProviderWorks('cpu', machine);
    expect(machine.started).toEqual([]);
  });

  it('lets pass what computes as the CPU does, in less precision too where it was named', async () => {
    for (const behavior of ['right', 'coarse'] as const) {
      const machine = machineWith({ cuda: behavior });
      await assertProviderWorks('cuda', machine);
      expect(machine.started).toEqual(['cuda', 'cpu']);
    }
  });

  it('refuses an unknown name', () => {
    expect(() => assertProvider('abacus')).toThrow(
      'option "provider" expected one of cpu, cuda, webgpu, coreml, dml, received "abacus"',
    );
  });

  it('says which providers there are instead of one that is not installed', async () => {
    const message = await whyNot('dml', machineWith({}, { installed: () => ['cpu', 'webgpu', 'tensorrt'] }));
    expect(message).toBe(
      'engine "compiled:dml" expected a machine on which ONNX Runtime computes with it, received an ONNX Runtime for ' +
        'linux-x64, which has cpu, webgpu alone; choose one that it has, or use "compiled:cpu"',
    );
  });

  it('starts no CUDA where there is no NVIDIA GPU', async () => {
    const machine = machineWith({});
    expect(await whyNot('cuda', machine)).toMatch(
      /received no NVIDIA GPU .*\/dev\/nvidiactl.*; install NVIDIA's driver/,
    );
    expect(machine.started).toEqual([]);
  });

  it('says how the CUDA libraries are fetched that the install script left out', async () => {
    const machine = machineWith({ cuda: 'right' }, { exists: (path) => path === '/dev/nvidiactl' });
    expect(await whyNot('cuda', machine)).toMatch(
      /received libonnxruntime_providers_cuda\.so and libonnxruntime_providers_shared\.so missing from \/ort\/bin: .*; run "node \/ort\/script\/install\.js"/,
    );
    expect(machine.started).toEqual([]);
  });

  it('names the libraries that CUDA needs and the loader does not find', async () => {
    const machine = machineWith({ cuda: 'fails' }, { unresolved: async () => ['libcudnn.so.9'] });
    expect(await whyNot('cuda', machine)).toMatch(
      /received libcudnn\.so\.9 not found \(Failed to load library\); install NVIDIA's driver, CUDA 12 and cuDNN 9/,
    );
  });

  it('gives the words of the runtime where a provider does not start', async () => {
    expect(await whyNot('webgpu', machineWith({ webgpu: 'fails' }))).toMatch(
      /received Failed to load library; .*Vulkan/,
    );
  });

  it('refuses wrong numbers, and what is no number', async () => {
    expect(await whyNot('coreml', machineWith({ coreml: 'wrong' }))).toContain(
      "differ from the CPU's by 0.5 of the largest",
    );
    expect(await whyNot('coreml', machineWith({ coreml: 'not a number' }))).toContain(
      "differ from the CPU's by Infinity",
    );
  });

  it('passes errors through that are no failures of a provider', async () => {
    const compute = (): Promise<never> => Promise.reject(new TypeError('a bug'));
    await expect(assertProviderWorks('dml', machineWith({}, { compute }))).rejects.toThrow(TypeError);
  });
});

describe('chooseProvider', () => {
  it('takes an accelerator that computes as the CPU does', async () => {
    expect(await chooseProvider(machineWith({ cuda: 'right' }))).toEqual({ provider: 'cuda', passedOver: [] });
  });

  it.each([
    ['fails', /^Failed to load library$/],
    ['wrong', /^numbers that differ/],
    ['coarse', /^products of less than float32 precision: a sum that cancels differs by 1 of its value/],
  ] as const)('passes over one that %s, and says so', async (behavior, reason) => {
    const { provider, passedOver } = await chooseProvider(machineWith({ cuda: behavior }));
    expect(provider).toBe('cpu');
    expect(passedOver[0]).toMatchObject({
      provider: 'cuda',
      tried: true,
      reason: expect.stringMatching(reason) as string,
    });
  });

  it('starts nothing where nothing shows that there is a GPU', async () => {
    const machine = machineWith({ webgpu: 'right', coreml: 'right', dml: 'right' });
    const { provider, passedOver } = await chooseProvider(machine);
    expect(provider).toBe('cpu');
    expect(machine.started).toEqual([]);
    expect(passedOver.map(({ provider: name, tried }) => [name, tried])).toEqual(
      ['cuda', 'webgpu', 'coreml', 'dml'].map((name) => [name, false]),
    );
    expect(passedOver[1]?.remedy).toBe('name "compiled:webgpu" to use it');
  });
});

describe('this machine', () => {
  it('computes the trial on the CPU, in float32', async () => {
    const [layers, precision] = await computeTrial('cpu');
    expect(precision?.data.every((number) => number === 2 ** -6)).toBe(true);
    const sums = Array.from({ length: 64 }, (_, row) => {
      const numbers = Array.from(layers?.data.slice(64 * row, 64 * row + 64) ?? []);
      return numbers.reduce((a, b) => a + b, 0);
    });
    sums.forEach((sum) => expect(sum).toBeCloseTo(1, 5)); // softmax
  });

  it('has the CPU, where its libraries are said to be', async () => {
    expect(THIS_MACHINE.installed()).toContain('cpu');
    expect(THIS_MACHINE.exists(THIS_MACHINE.libraries())).toBe(true);
    expect(THIS_MACHINE.exists(`${THIS_MACHINE.package()}/script/install.js`)).toBe(true);
    expect(await THIS_MACHINE.unresolved('/absent')).toEqual([]);
  });

  it('gives the reason for each provider that does not work', async () => {
    for (const provider of ['cuda', 'webgpu', 'coreml', 'dml'] as const) {
      const error: unknown = await assertProviderWorks(provider).catch((caught: unknown) => caught);
      if (error !== undefined) expect(error).toBeInstanceOf(UnavailableError);
    }
  });
});
