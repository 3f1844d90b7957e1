import type { ExecutionProvider, HostTensor } from '@drf/tensor';
import { ModelProto } from '../schema.js';
import { WorkerClient } from '../worker/client.js';
import { sessionOptions } from '../worker/options.js';

/** Side of the trial's square matrices. */
const SIDE = 64;

/**
 * A small model: products with a bias, tanh and softmax, which every provider has, and a product in which half precision or
 * TensorFloat-32 would show: 32 · (1 + 2⁻¹¹) − 32 is 2⁻⁶ in float32 and 0 where factors keep 10 bits.
 */
function trialModel(): Uint8Array {
  const square = (name: string) => ({
    name,
    type: { tensorType: { elemType: 1, shape: { dim: [{ dimValue: SIDE }, { dimValue: SIDE }] } } },
  });
  const node = (opType: string, input: readonly string[], output: string) => ({ opType, input, output: [output] });
  const model = {
    irVersion: 8,
    opsetImport: [{ version: 17 }],
    graph: {
      name: 'trial',
      node: [
        node('MatMul', ['x', 'w'], 'product'),
        node('Add', ['product', 'x'], 'sum'),
        node('Tanh', ['sum'], 'hidden'),
        node('MatMul', ['hidden', 'w'], 'scores'),
        node('Softmax', ['scores'], 'layers'),
        node('MatMul', ['fine', 'ones'], 'precision'),
      ],
      input: ['x', 'w', 'fine', 'ones'].map(square),
      output: ['layers', 'precision'].map(square),
    },
  };
  return ModelProto.encode(ModelProto.fromObject(model)).finish();
}

/** The trial's inputs: numbers that need no source of randomness. */
function trialInputs(): (HostTensor & { readonly name: string })[] {
  const square = (name: string, number: (i: number) => number) => ({
    ...{ name, shape: [SIDE, SIDE], dtype: 'float32' as const },
    data: Float32Array.from({ length: SIDE * SIDE }, (_, i) => number(i)),
  });
  return [
    square('x', (i) => Math.sin(i)),
    square('w', (i) => Math.cos(3 * i) / 4),
    square('fine', (i) => (i % 2 === 0 ? 1 + 2 ** -11 : -1)),
    square('ones', () => 1),
  ];
}

/** Computes the trial in a worker thread of its own. Nothing may fall back on the CPU, which would prove nothing. */
export async function computeTrial(provider: ExecutionProvider): Promise<readonly HostTensor[]> {
  const client = new WorkerClient();
  try {
    const { extra, ...options } = sessionOptions({ provider, threads: 1 }, true);
    const session = { ...(extra as { readonly session: object }).session, disable_cpu_ep_fallback: '1' };
    const strict = provider === 'cpu' ? { ...options, extra } : { ...options, extra: { ...extra, session } };
    await client.ask({ kind: 'create', session: 0, model: trialModel(), options: strict });
    return await client.ask({ kind: 'run', session: 0, inputs: trialInputs(), outputs: ['layers', 'precision'] });
  } finally {
    await client.close();
  }
}
