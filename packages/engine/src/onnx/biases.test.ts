import { createRandom, hostTensor, type HostTensor } from '@drf/tensor';
import * as tf from '@tensorflow/tfjs';
import { describe, expect, it } from 'vitest';
import { createCompiledEngine } from '../compiled/compiled-engine.js';
import { createEagerEngine } from '../eager/eager-engine.js';
import { reachable } from '../graph/graph.js';
import { trace } from '../trace/trace.js';
import { withBiasesInProducts } from './biases.js';

type Given = { readonly [name: string]: tf.Tensor };
type Compute = (given: Given) => { readonly [name: string]: tf.Tensor };

const SHAPES = { a: [6, 4], b: [4, 5], row: [5], wide: [1, 5], column: [6, 1], full: [6, 5], one: [1], batch: [2, 6, 5] }; // prettier-ignore

function numbers(): Record<string, HostTensor> {
  return Object.fromEntries(
    Object.entries(SHAPES).map(([name, shape]) => {
      const random = createRandom(0).fork(name);
      const size = shape.reduce((all, each) => all * each, 1);
      return [name, hostTensor(Float32Array.from({ length: size }, () => random.normal()), shape)]; // prettier-ignore
    }),
  );
}

/** Each operator of the graph with its number of inputs. */
function operatorsOf(compute: Compute): string[] {
  const traced = trace({ constants: {}, state: {}, inputs: numbers() }, (_, state, own) => ({
    state,
    outputs: compute(own as Given),
  }));
  const { operations } = reachable(withBiasesInProducts(traced));
  return operations.map(({ operation: { operator, inputs } }) => `${operator} ${inputs.length}`);
}

async function run(compute: Compute, compiled: boolean): Promise<Record<string, HostTensor>> {
  const engine = await (compiled ? createCompiledEngine() : createEagerEngine('cpu'));
  const program = await engine.prepare((_: Record<string, never>, given: Given) => compute(given), {});
  const result = await program.run(numbers());
  await engine.dispose();
  return result as unknown as Record<string, HostTensor>;
}

const product = ({ a, b }: Given): tf.Tensor => tf.matMul(a as tf.Tensor, b as tf.Tensor);

const BIASES = ['row', 'wide', 'one'] as const;
const OTHERS = ['column', 'full', 'batch'] as const;

describe('withBiasesInProducts', () => {
  it.each(BIASES)('starts a product from a bias: %s', async (name) => {
    const after: Compute = (given) => ({ y: tf.add(product(given), given[name] as tf.Tensor) });
    const before: Compute = (given) => ({ y: tf.add(given[name] as tf.Tensor, product(given)) });
    for (const compute of [after, before]) {
      expect(operatorsOf(compute)).toEqual(['Gemm 3']);
      const [expected, received] = [await run(compute, false), await run(compute, true)];
      expect(received['y']?.shape).toEqual([6, 5]);
      expected['y']?.data.forEach((each, i) => expect(received['y']?.data[i]).toBeCloseTo(each, 5));
    }
  });

  it.each(OTHERS)('leaves what differs from row to row: %s', (name) => {
    expect(operatorsOf((given) => ({ y: tf.add(product(given), given[name] as tf.Tensor) }))).toContain('Add 2');
  });

  it('adds once to a product: the second sum stays', () => {
    const twice: Compute = (given) => ({ y: tf.add(tf.add(product(given), given['row'] as tf.Tensor), given['wide'] as tf.Tensor) }); // prettier-ignore
    expect(operatorsOf(twice)).toEqual(['Gemm 3', 'Add 2']);
  });

  it('leaves a product that something else reads, and one that leaves the graph', () => {
    const read: Compute = (given) => {
      const y = product(given);
      return { sum: tf.add(y, given['row'] as tf.Tensor), root: tf.exp(y) };
    };
    const left: Compute = (given) => {
      const y = product(given);
      return { sum: tf.add(y, given['row'] as tf.Tensor), y };
    };
    for (const compute of [read, left]) expect(operatorsOf(compute)).toContain('Add 2');
  });

  it('does not count what the graph computes for nothing', () => {
    const unread: Compute = (given) => {
      const y = product(given);
      tf.add(y, given['row'] as tf.Tensor);
      return { y };
    };
    expect(operatorsOf(unread)).toEqual(['Gemm 2']);
    const besides: Compute = (given) => {
      const y = product(given);
      tf.exp(y);
      return { sum: tf.add(y, given['row'] as tf.Tensor) };
    };
    expect(operatorsOf(besides)).toEqual(['Gemm 3']);
  });
});
