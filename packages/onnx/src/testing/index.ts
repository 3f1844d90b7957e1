import { join } from 'node:path';
import { EXECUTION_PROVIDERS, UnavailableError, type ExecutionProvider, type HostTensor } from '@drf/tensor';
import type { ProviderMachine } from '../providers/machine.js';

/** How an accelerator of a fake machine behaves; one that is not named is not there, as on a machine without a GPU. */
export type Behavior = 'right' | 'coarse' | 'wrong' | 'not a number' | 'fails';

const tensor = (numbers: readonly number[]): HostTensor => ({ shape: [numbers.length], dtype: 'float32', data: Float32Array.from(numbers) }); // prettier-ignore

const RIGHT = [tensor([1, 0.5]), tensor([2 ** -6])];

const OUTPUTS: Readonly<Record<Exclude<Behavior, 'fails'>, readonly HostTensor[]>> = {
  right: [tensor([1 + 1e-6, 0.5]), tensor([2 ** -6])],
  coarse: [tensor([1, 0.5]), tensor([0])],
  wrong: [tensor([1, 1]), tensor([2 ** -6])],
  'not a number': [tensor([NaN, 0.5]), tensor([2 ** -6])],
};

export interface FakeProviderMachine extends ProviderMachine {
  /** Providers that were started, in this order. */
  readonly started: readonly ExecutionProvider[];
}

/** A machine on Linux whose ONNX Runtime has every provider, and whose accelerators behave as they are told. */
export function machineWith(
  behaviors: Readonly<Partial<Record<ExecutionProvider, Behavior>>>,
  changes: Partial<ProviderMachine> = {},
): FakeProviderMachine {
  const started: ExecutionProvider[] = [];
  const cuda = ['/dev/nvidiactl', ...['cuda', 'shared'].map((name) => join('/ort/bin', `libonnxruntime_providers_${name}.so`))]; // prettier-ignore
  return {
    platform: 'linux-x64',
    installed: () => EXECUTION_PROVIDERS,
    exists: (path) => behaviors.cuda !== undefined && cuda.includes(path),
    package: () => '/ort',
    libraries: () => '/ort/bin',
    async compute(provider) {
      started.push(provider);
      const behavior = provider === 'cpu' ? 'right' : (behaviors[provider] ?? 'fails');
      if (behavior !== 'fails') return provider === 'cpu' ? RIGHT : OUTPUTS[behavior];
      throw new UnavailableError({
        subject: 'ONNX Runtime',
        expected: 'success',
        received: 'Failed to load\n library',
      });
    },
    unresolved: async () => [],
    started,
    ...changes,
  };
}
