import { createRandom, hostTensor, type HostTensor } from '@drf/tensor';
import * as tf from '@tensorflow/tfjs';
import { describe, expect, it, vi } from 'vitest';
import { createCompiledEngine } from './compiled-engine.js';
import { Lanes, lanesWithin, lanesFor, threadsFor } from './parallel-program.js';
import { SessionHost } from './session-host.js';

type Weights = { readonly weights: tf.Tensor };
type Rows = { readonly x: tf.Tensor };

const layer = ({ weights }: Weights, { x }: Rows) => ({ y: tf.softmax(tf.matMul(x, weights)) });

function normal(shape: readonly [number, number], seed: number): HostTensor {
  const random = createRandom(seed);
  const numbers = Float32Array.from({ length: shape[0] * shape[1] }, () => random.normal());
  return hostTensor(numbers, shape);
}

describe('lanesWithin', () => {
  it('gives each thread a lane, up to eight, as far as copies of the constants fit into 512 MiB', () => {
    expect([lanesWithin(0, 1), lanesWithin(1000, 4), lanesWithin(1000, 64)]).toEqual([1, 4, 8]);
    expect([lanesWithin(2 ** 27, 8), lanesWithin(400 * 2 ** 20, 8), lanesWithin(600 * 2 ** 20, 8)]).toEqual([5, 2, 1]);
    expect([lanesWithin(2 ** 27, 8, 2 ** 27), lanesWithin(400 * 2 ** 20, 8, 400 * 2 ** 20)]).toEqual([4, 1]);
  });
});

describe('lanesFor', () => {
  it('counts the copy of a run that is alone where it has other threads than one among others', () => {
    const mebibytes = (count: number): number => count * 2 ** 20;
    expect([2, 8].map((threads) => lanesFor(mebibytes(400), threads, true))).toEqual([1, 2]); // four threads each of eight
    expect([2, 8].map((threads) => lanesFor(mebibytes(400), threads, false))).toEqual([2, 2]);
    expect([2, 3, 16].map((threads) => lanesFor(mebibytes(90), threads, true))).toEqual([2, 3, 5]);
    expect(lanesFor(mebibytes(400), 2, true, 'int8')).toBe(2);
  });
});

describe('threadsFor', () => {
  it('divides threads among lanes, and gives a run that is alone up to four', () => {
    expect([threadsFor(2, 2), threadsFor(3, 3)]).toEqual([{ share: 1, alone: 2 }, { share: 1, alone: 3 }]); // prettier-ignore
    expect([threadsFor(6, 16), threadsFor(6, 64)]).toEqual([{ share: 2, alone: 4 }, { share: 4, alone: 4 }]); // prettier-ignore
    expect([threadsFor(2, 64), threadsFor(1, 64)]).toEqual([{ share: 8, alone: 8 }, { share: 64, alone: 64 }]); // prettier-ignore
    expect(threadsFor(2, 4, 'int8')).toEqual({ share: 2, alone: 2 });
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
    expect(taken).toEqual(['a 1 true', 'b 2 false', 'c 0 false']); // d waits for one of two lanes, e for any
    open[1]?.();
    await turn();
    expect(taken.slice(3)).toEqual(['e 2 false']);
    open[0]?.();
    await turn();
    expect(taken.slice(4)).toEqual(['d 1 false']);
    open[2]?.();
    open.slice(3).forEach((end) => end());
    await Promise.all(all);
    await lanes.close();
  });
});

describe('runs that overlap', () => {
  it('go to all lanes, by one thread each; one that is alone has more', async () => {
    const create = vi.spyOn(SessionHost.prototype, 'create');
    const run = vi.spyOn(SessionHost.prototype, 'run');
    const engine = await createCompiledEngine({ threads: 3 });
    const program = await engine.prepare(layer, { weights: normal([96, 80], 1) }, { parallel: true });
    await Promise.all([1, 2, 3, 4, 5].map((seed) => program.run({ x: normal([2, 96], seed) }, { alone: seed > 1 })));
    expect(new Set(run.mock.contexts).size).toBe(3);
    expect(create.mock.calls.map(([, threads]) => threads)).toEqual([1, 1, 1]);
    await program.run({ x: normal([2, 96], 1) }, { alone: true });
    expect(create.mock.calls.slice(3).map(([, threads]) => threads)).toEqual([3]);
    await engine.dispose();
  });

  it('all fail once a lane has ended, instead of those alone that come to it', async () => {
    const engine = await createCompiledEngine({ threads: 2 });
    const program = await engine.prepare(layer, { weights: normal([96, 80], 1) }, { parallel: true });
    await program.run({ x: normal([2, 96], 1) });
    const run = vi.spyOn(SessionHost.prototype, 'run').mockRejectedValueOnce(new Error('the thread has ended'));
    const gone = vi.spyOn(SessionHost.prototype, 'isGone', 'get').mockReturnValueOnce(true);
    const runs = [1, 2, 3, 4].map((seed) => program.run({ x: normal([2, 96], seed) }));
    const outcomes = await Promise.allSettled(runs);
    expect(outcomes.map(({ status }) => status)).toEqual(['rejected', 'fulfilled', 'rejected', 'rejected']);
    expect([run.mock.calls.length, gone.mock.calls.length > 0]).toEqual([2, true]);
    await expect(program.run({ x: normal([2, 96], 5) })).rejects.toThrow('the thread has ended');
    await engine.dispose();
  });

  it('are not prepared where a lane cannot hold the constants', async () => {
    const make = vi.spyOn(SessionHost.prototype, 'makeState');
    make.mockImplementationOnce(() => Promise.resolve()).mockImplementationOnce(() => Promise.reject(new Error('no memory'))); // prettier-ignore
    const engine = await createCompiledEngine({ threads: 2 });
    const preparing = engine.prepare(layer, { weights: normal([96, 80], 1) }, { parallel: true });
    await expect(preparing).rejects.toThrow('no memory');
    await engine.dispose();
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
    const pick = ({ weights }: Weights, { x }: Rows) => ({
      y: tf.matMul(tf.gather(tf.transpose(weights), x.toInt()), weights),
    });
    const program = await engine.prepare(pick, { weights: normal([80, 64], 1) }, { products, parallel: true });
    const runs = [1, 99, 2, 3].map((row) => program.run({ x: hostTensor([row], [1]) }));
    const outcomes = await Promise.allSettled(runs);
    expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled', 'fulfilled']);
    await engine.dispose();
  });
});

type Host = { readonly x: HostTensor };
