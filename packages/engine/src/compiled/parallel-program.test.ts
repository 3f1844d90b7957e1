import { createRandom, hostTensor, type HostTensor } from '@drf/tensor';
import * as tf from '@tensorflow/tfjs';
import { describe, expect, it } from 'vitest';
import { createCompiledEngine } from './compiled-engine.js';
import { Lanes, lanesFor } from './parallel-program.js';
import { SessionHost } from './session-host.js';

type Weights = { readonly weights: tf.Tensor };
type Rows = { readonly x: tf.Tensor };

const layer = ({ weights }: Weights, { x }: Rows) => ({ y: tf.softmax(tf.matMul(x, weights)) });

function normal(shape: readonly [number, number], seed: number): HostTensor {
  const random = createRandom(seed);
  const numbers = Float32Array.from({ length: shape[0] * shape[1] }, () => random.normal());
  return hostTensor(numbers, shape);
}

describe('lanesFor', () => {
  it('gives each thread a lane, up to eight, as far as copies of the constants fit into 1 GiB', () => {
    expect([lanesFor(0, 1), lanesFor(1000, 4), lanesFor(1000, 64)]).toEqual([1, 4, 8]);
    expect([lanesFor(2 ** 28, 8), lanesFor(400 * 2 ** 20, 8), lanesFor(1.2 * 2 ** 30, 8)]).toEqual([5, 3, 1]);
  });
});

describe('Lanes', () => {
  it('gives a free lane, else the next one that a program may take, in order', async () => {
    const lanes = new Lanes(() => new SessionHost({}));
    const taken: string[] = [];
    const open: (() => void)[] = [];
    const work = (name: string, most: number): Promise<void> =>
      lanes.use(most, async (lane, isIdle) => {
        taken.push(`${name} ${lane} ${isIdle}`);
        await new Promise<void>((resolve) => open.push(resolve));
      });
    const all = [work('a', 2), work('b', 3), work('c', 2), work('d', 2), work('e', 3)];
    const turn = () => new Promise((resolve) => setImmediate(resolve));
    await turn();
    expect(taken).toEqual(['a 0 true', 'b 1 false', 'e 2 false']); // c and d wait for one of two lanes
    open[2]?.();
    await turn();
    expect(taken).toHaveLength(3);
    open[1]?.();
    await turn();
    expect(taken.slice(3)).toEqual(['c 1 false']);
    open[0]?.();
    await turn();
    expect(taken.slice(4)).toEqual(['d 0 false']);
    open.slice(3).forEach((end) => end());
    await Promise.all(all);
    await lanes.close();
  });
});

describe.each(['float32', 'int8'] as const)('a function that is computed side by side in %s', (products) => {
  it('gives what it gives one after the other, to the bit', async () => {
    const [engine, one] = [await createCompiledEngine({ threads: 3 }), await createCompiledEngine({ threads: 1 })];
    const constants = { weights: normal([96, 80], 1) };
    const program = await engine.prepare(layer, constants, { products, parallel: true });
    const plain = await one.prepare(layer, constants, { products, parallel: true });
    expect([program.parallelRuns, plain.parallelRuns]).toEqual([3, 1]);
    const inputs = Array.from({ length: 12 }, (_, i) => ({ x: normal([1 + (i % 4), 96], i) }));
    const results = await Promise.all(inputs.map((each) => program.run(each)));
    for (const [i, { y }] of results.entries()) expect(y).toEqual((await plain.run(inputs[i] as Host)).y);
    await Promise.all([engine.dispose(), one.dispose()]);
  });

  it('tells of a failure of one run, and computes the others', async () => {
    const engine = await createCompiledEngine({ threads: 2 });
    const pick = ({ weights }: Weights, { x }: Rows) => ({ y: tf.gather(weights, x.toInt()) });
    const program = await engine.prepare(pick, { weights: normal([80, 64], 1) }, { products, parallel: true });
    const runs = [1, 99, 2, 3].map((row) => program.run({ x: hostTensor([row], [1]) }));
    const outcomes = await Promise.allSettled(runs);
    expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled', 'fulfilled']);
    await engine.dispose();
  });
});

type Host = { readonly x: HostTensor };
