import {
  ConfigurationError,
  createRandom,
  type Engine,
  hostTensor,
  type HostTensor,
  type HostTree,
  type TensorTree,
} from '@drf/tensor';
import * as tf from '@tensorflow/tfjs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createCompiledEngine } from '../compiled/compiled-engine.js';
import { createEagerEngine } from '../eager/eager-engine.js';
import { assertProducts } from '../programs.js';
import { trace } from '../trace/trace.js';
import { quantizeMatrix, withInt8Products } from './int8.js';

type Map = { readonly weights: tf.Tensor };
type Rows = { readonly x: tf.Tensor };

/** More than 4,096 numbers. */
const [IN, OUT] = [64, 80];

const product = ({ weights }: Map, { x }: Rows) => ({ y: tf.matMul(x, weights) });

function normal(shape: readonly number[], seed: number): HostTensor {
  const random = createRandom(seed);
  const size = shape.reduce((all, each) => all * each, 1);
  return hostTensor(
    Float32Array.from({ length: size }, () => random.normal()),
    shape,
  );
}

function rowOf({ data, shape }: HostTensor, row: number): number[] {
  const width = data.length / (shape[0] as number);
  return Array.from(data.subarray(row * width, (row + 1) * width));
}

function largest(numbers: readonly number[]): number {
  return numbers.reduce((most, each) => Math.max(most, Math.abs(each)), 0);
}

/** The same arithmetic, number by number. */
function slowProduct(row: readonly number[], { numbers, scales }: ReturnType<typeof quantizeMatrix>): number[] {
  const scale = Math.fround(largest(row) * Math.fround(1 / 127));
  const rounded = row.map((each) => Math.round(each / scale));
  return Array.from(scales, (columnScale, column) => {
    const sum = rounded.reduce((all, each, i) => all + each * (numbers[i * scales.length + column] as number), 0);
    return sum * columnScale * scale;
  });
}

describe('products in int8', () => {
  let engine: Engine;
  beforeAll(async () => void (engine = await createCompiledEngine()));
  afterAll(() => engine.dispose());

  /** What comes of rows in float32 and in int8. */
  async function both(weights: HostTensor, x: HostTensor): Promise<readonly [HostTensor, HostTensor]> {
    const results: HostTensor[] = [];
    for (const products of ['float32', 'int8'] as const) {
      const program = await engine.prepare(product, { weights }, { products });
      results.push((await program.run({ x })).y);
      await program.dispose();
    }
    return results as [HostTensor, HostTensor];
  }

  it('are those of whole numbers, and off by about a hundredth', async () => {
    const [weights, x] = [normal([IN, OUT], 1), normal([37, IN], 2)];
    const [exact, rounded] = await both(weights, x);
    const quantized = quantizeMatrix(weights, false);
    const most = largest(Array.from(exact.data));
    for (let row = 0; row < 37; row++) {
      const [want, got] = [rowOf(exact, row), rowOf(rounded, row)];
      expect(largest(want.map((each, i) => each - (got[i] as number)))).toBeLessThan(0.02 * most);
      const slow = slowProduct(rowOf(x, row), quantized);
      expect(largest(slow.map((each, i) => each - (got[i] as number)))).toBeLessThan(1e-5 * largest(want));
    }
    expect(rounded.data).not.toEqual(exact.data);
  });

  it('are exact where sums of two products need more than 16 bits', async () => {
    const [weights, x] = [normal([512, 16], 1), normal([3, 512], 2)];
    weights.data.fill(1);
    x.data.fill(1);
    const [exact, rounded] = await both(weights, x);
    for (let i = 0; i < exact.data.length; i++) expect(rounded.data[i]).toBeCloseTo(512, 3);
  });

  it('keep rows of zeros, rows with an outlier, and what is not finite to themselves', async () => {
    const x = normal([6, IN], 2);
    x.data.fill(0, 0, IN);
    x.data[IN + 3] = 1000;
    x.data[2 * IN + 7] = Number.NaN;
    x.data[3 * IN + 63] = Number.POSITIVE_INFINITY;
    x.data[4 * IN] = Number.NEGATIVE_INFINITY;
    const [exact, rounded] = await both(normal([IN, OUT], 1), x);
    expect(rowOf(rounded, 0)).toEqual(Array<number>(OUT).fill(0));
    for (const row of [1, 5]) {
      const [want, got] = [rowOf(exact, row), rowOf(rounded, row)];
      expect(largest(want.map((each, i) => each - (got[i] as number)))).toBeLessThan(0.03 * largest(want));
    }
    for (const row of [2, 3, 4]) expect(rowOf(rounded, row).some(Number.isFinite)).toBe(false);
  });

  it('make columns of weights that are not finite NaN, and keep those of zeros', () => {
    const weights = hostTensor([1, 0, Number.NaN, 4, -2, 0, 1, Number.POSITIVE_INFINITY], [2, 4]);
    const { numbers, scales } = quantizeMatrix(weights, false);
    expect([numbers[0], numbers[4], numbers[1], numbers[5]]).toEqual([32, -64, 0, 0]);
    expect(scales[0]).toBeCloseTo(2 / 64, 6);
    expect([scales[2], scales[3]]).toEqual([Number.NaN, Number.NaN]);
    const turned = quantizeMatrix(hostTensor([1, -2, 3, 4, 5, -6], [3, 2]), true);
    expect(turned).toEqual(quantizeMatrix(hostTensor([1, 3, 5, -2, 4, -6], [2, 3]), false));
  });

  it('do not depend on the rest of the batch, to the last bit', async () => {
    const layer = ({ weights }: Map, { x }: Rows) => {
      const [batch, token] = x.shape as [number, number, number];
      const mapped = tf.reshape(tf.matMul(tf.reshape(x, [-1, IN]), weights), [batch, token, OUT]);
      return { seen: tf.softmax(tf.matMul(mapped, mapped, false, true)) };
    };
    const program = await engine.prepare(layer, { weights: normal([IN, OUT], 1) }, { products: 'int8' });
    const x = normal([16, 33, IN], 2);
    const together = await program.run({ x });
    for (const index of [0, 5, 15]) {
      const alone = await program.run({ x: hostTensor(Float32Array.from(rowOf(x, index)), [1, 33, IN]) });
      expect(rowOf(alone.seen, 0)).toEqual(rowOf(together.seen, index));
    }
    await program.dispose();
  });

  it('follow a state that is written anew', async () => {
    const step = (state: Map, inputs: Rows) => ({ state, outputs: product(state, inputs) });
    const program = await engine.prepareStep(step, { weights: normal([IN, OUT], 1) }, { products: 'int8' });
    const x = normal([2, IN], 2);
    const before = (await program.step({ x })).y.data;
    await program.writeState({ weights: normal([IN, OUT], 3) });
    expect((await program.step({ x })).y.data).not.toEqual(before);
    await program.writeState({ weights: normal([IN, OUT], 1) });
    expect((await program.step({ x })).y.data).toEqual(before);
    await program.dispose();
  });

  it('are refused by other engines', async () => {
    const eager = await createEagerEngine('cpu');
    const attempt = eager.prepare(product, { weights: normal([2, 2], 1) }, { products: 'int8' });
    await expect(attempt).rejects.toThrow(ConfigurationError);
    await expect(attempt).rejects.toThrow(
      'engine "eager:cpu", products, expected "float32", received "int8"; products in int8 are for the engine "compiled": --engine compiled',
    );
    await eager.dispose();
    expect(() => assertProducts('compiled:cuda', 'int8')).toThrow('engine "compiled:cuda", products,');
    expect(() => assertProducts('compiled', 'int4' as 'int8')).toThrow('expected "float32" or "int8", received "int4"');
  });
});

describe('withInt8Products', () => {
  /** Operators of a step's graph in int8, and the leaves that were asked for. */
  async function operatorsOf(
    state: HostTree,
    x: HostTensor,
    run: (state: TensorTree, x: tf.Tensor) => { readonly state?: TensorTree; readonly y: TensorTree },
  ): Promise<{ readonly count: (operator: string) => number; readonly asked: readonly string[] }> {
    const asked: string[] = [];
    const traced = trace({ constants: {}, state, inputs: { x } }, (_, given, inputs) => {
      const { state: next = given, y } = run(given as TensorTree, inputs['x'] as tf.Tensor);
      return { state: next, outputs: y };
    });
    const {
      traced: { graph },
    } = await withInt8Products(traced, async (leaf, transposed) => {
      asked.push(`${leaf} ${transposed}`);
      return quantizeMatrix(state[leaf] as HostTensor, transposed);
    });
    const operators = graph.operations.map(({ operation }) => operation.operator);
    return { count: (operator) => operators.filter((each) => each === operator).length, asked };
  }

  it('rounds rows once that enter several products', async () => {
    const state = { query: normal([IN, OUT], 1), key: normal([OUT, IN], 2) };
    const { count, asked } = await operatorsOf(state, normal([3, IN], 3), (given, x) => ({
      y: {
        query: tf.matMul(x, given['query'] as tf.Tensor),
        key: tf.matMul(x, given['key'] as tf.Tensor, false, true),
      },
    }));
    expect([count('QuantizeLinear'), count('MatMulInteger'), count('Gemm')]).toEqual([1, 2, 0]);
    expect(asked).toEqual(['query false', 'key true']);
  });

  it('leaves small matrices, weights that change, and products of what is computed as they are', async () => {
    const state = { small: normal([IN, 8], 1), changing: normal([IN, OUT], 2), frozen: normal([IN, OUT], 3) };
    const { count, asked } = await operatorsOf(state, normal([IN, IN], 4), (given, x) => ({
      state: { ...given, changing: tf.mul(given['changing'] as tf.Tensor, 0.5) },
      y: {
        small: tf.matMul(x, given['small'] as tf.Tensor),
        changing: tf.matMul(x, given['changing'] as tf.Tensor),
        itself: tf.matMul(x, x),
        constant: tf.matMul(given['frozen'] as tf.Tensor, given['changing'] as tf.Tensor, true),
      },
    }));
    expect([count('Gemm'), count('MatMulInteger')]).toEqual([4, 0]);
    expect(asked).toEqual([]);
  });

  it('takes constants of the graph, biases and rows of several axes', async () => {
    const { data } = normal([IN, OUT], 1);
    const { count } = await operatorsOf({}, normal([2, 3, IN], 2), (_, x) => {
      const weights = tf.tensor(data, [IN, OUT]);
      const rows = tf.reshape(x, [6, IN]) as tf.Tensor2D;
      const fused = tf.fused.matMul({ a: rows, b: weights as tf.Tensor2D, bias: tf.ones([OUT]), activation: 'relu' });
      return { y: { fused, several: tf.matMul(x, weights) } };
    });
    expect([count('MatMulInteger'), count('MatMul') + count('Gemm'), count('Add') > 0]).toEqual([2, 0, true]);
  });
});
