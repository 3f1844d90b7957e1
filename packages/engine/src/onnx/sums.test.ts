import { createRandom, hostTensor, type HostTensor } from '@drf/tensor';
import * as tf from '@tensorflow/tfjs';
import { describe, expect, it } from 'vitest';
import { createCompiledEngine } from '../compiled/compiled-engine.js';
import { createEagerEngine } from '../eager/eager-engine.js';
import { reachable } from '../graph/graph.js';
import { trace } from '../trace/trace.js';
import { withSumsInProducts } from './sums.js';

type Given = { readonly [name: string]: tf.Tensor };
type Compute = (given: Given) => { readonly [name: string]: tf.Tensor };

const SHAPES = { a: [6, 4], b: [4, 5], c: [6, 3], d: [3, 5], row: [5], wide: [1, 5], column: [6, 1], full: [6, 5], one: [1], batch: [2, 6, 5] }; // prettier-ignore

function numbers(): Record<string, HostTensor> {
  return Object.fromEntries(
    Object.entries(SHAPES).map(([name, shape]) => {
      const random = createRandom(0).fork(name);
      const size = shape.reduce((all, each) => all * each, 1);
      return [name, hostTensor(Float32Array.from({ length: size }, () => random.normal()), shape)]; // prettier-ignore
    }),
  );
}

/** Operators of the graph, how many inputs each has behind it. */
function operatorsOf(compute: Compute): string[] {
  const traced = trace({ constants: {}, state: {}, inputs: numbers() }, (_, state, own) => ({
    state,
    outputs: compute(own as Given),
  }));
  const { operations } = reachable(withSumsInProducts(traced));
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

const ADDENDS = ['row', 'wide', 'column', 'full', 'one'] as const;

describe('withSumsInProducts', () => {
  it.each(ADDENDS)('starts a product from what is added to it: %s', (addend) => {
    expect(operatorsOf((given) => ({ y: tf.add(product(given), given[addend] as tf.Tensor) }))).toEqual(['Gemm 3']);
    expect(operatorsOf((given) => ({ y: tf.add(given[addend] as tf.Tensor, product(given)) }))).toEqual(['Gemm 3']);
  });

  it('makes a sum of products one product that starts from the other', () => {
    const other = ({ c, d }: Given): tf.Tensor => tf.matMul(c as tf.Tensor, d as tf.Tensor);
    expect(operatorsOf((given) => ({ y: tf.add(product(given), other(given)) }))).toEqual(['Gemm 2', 'Gemm 3']);
  });

  it('adds once to a product: the second sum stays', () => {
    const twice: Compute = (given) => ({ y: tf.add(tf.add(product(given), given['row'] as tf.Tensor), given['full'] as tf.Tensor) }); // prettier-ignore
    expect(operatorsOf(twice)).toEqual(['Gemm 3', 'Add 2']);
  });

  it('leaves a product that something else reads, or that leaves the graph, and one that is repeated', () => {
    const read: Compute = (given) => {
      const y = product(given);
      return { sum: tf.add(y, given['row'] as tf.Tensor), root: tf.exp(y) };
    };
    expect(operatorsOf(read)).toContain('Add 2');
    const left: Compute = (given) => {
      const y = product(given);
      return { sum: tf.add(y, given['row'] as tf.Tensor), y };
    };
    expect(operatorsOf(left)).toContain('Add 2');
    expect(operatorsOf((given) => ({ y: tf.add(product(given), product(given)) }))).toContain('Add 2');
    expect(operatorsOf((given) => ({ y: tf.add(product(given), given['batch'] as tf.Tensor) }))).toContain('Add 2');
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

  it('keeps the result, as an engine without graphs has it', async () => {
    const all: Compute = (given) => ({
      ...Object.fromEntries(ADDENDS.map((name) => [name, tf.add(product(given), given[name] as tf.Tensor)])),
      both: tf.add(product(given), tf.matMul(given['c'] as tf.Tensor, given['d'] as tf.Tensor)),
    });
    const [expected, received] = [await run(all, false), await run(all, true)];
    for (const [name, { data }] of Object.entries(expected)) {
      data.forEach((each, i) => expect(received[name]?.data[i], name).toBeCloseTo(each, 5));
    }
  });
});
