import { createRandom, hostTensor, type HostTensor, type PrepareOptions, sizeOf } from '@drf/tensor';
import * as tf from '@tensorflow/tfjs';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { createCompiledEngine } from './compiled-engine.js';
import { SessionHost } from './session-host.js';

type Constants = { readonly weights: tf.Tensor; readonly table: tf.Tensor; readonly shift: tf.Tensor };
type Inputs = { readonly ids: tf.Tensor; readonly mask: tf.Tensor };
type Engine = Awaited<ReturnType<typeof createCompiledEngine>>;

function normal(shape: readonly number[], seed: number): HostTensor {
  const random = createRandom(seed);
  return hostTensor(
    Float32Array.from({ length: sizeOf(shape) }, () => random.normal()),
    shape,
  );
}

/** One of constants is of whole numbers. */
const CONSTANTS = { weights: normal([96, 80], 1), table: normal([50, 96], 2), shift: hostTensor(Int32Array.of(1), []) };

/** Rows of a table, added up over the tokens, times a matrix: [batch, length] → [batch, 80] */
const lookUp = ({ weights, table, shift }: Constants, { ids, mask }: Inputs) => {
  const rows = tf.mul(tf.gather(table, tf.add(ids, shift)), tf.expandDims(mask, -1));
  return { sums: tf.matMul(tf.sum(rows, 1), weights), tokens: rows };
};

function textsOf(batch: number, length: number): { readonly ids: HostTensor; readonly mask: HostTensor } {
  const ids = Int32Array.from({ length: batch * length }, (_, i) => (7 * i) % 49);
  return { ids: hostTensor(ids, [batch, length]), mask: normal([batch, length], length) };
}

let engine: Engine;
beforeAll(async () => void (engine = await createCompiledEngine({ threads: 2 })));
afterAll(() => engine.dispose());
afterEach(() => vi.restoreAllMocks());

const DYNAMIC = { dynamicAxes: ['batch', 'length'] } as const satisfies PrepareOptions;

describe.each<PrepareOptions>([{}, { parallel: true }, { products: 'int8' }, { products: 'int8', parallel: 2 }])(
  'a function of inputs of any size, %j',
  (options) => {
    it('has one graph, which gives what one for each size gives', async () => {
      const create = vi.spyOn(SessionHost.prototype, 'create');
      const program = await engine.prepare(lookUp, CONSTANTS, { ...options, ...DYNAMIC });
      const sizes = [[3, 4], [1, 1], [1, 30], [16, 2], [5, 5]] as const; // prettier-ignore
      const outputs: Awaited<ReturnType<typeof program.run>>[] = [];
      for (const [batch, length] of sizes) outputs.push(await program.run(textsOf(batch, length)));
      expect(create).toHaveBeenCalledTimes(1);
      const fixed = await engine.prepare(lookUp, CONSTANTS, options);
      for (const [i, [batch, length]] of sizes.entries()) {
        const expected = await fixed.run(textsOf(batch, length));
        for (const name of ['sums', 'tokens'] as const) {
          expect(outputs[i]?.[name].shape).toEqual(expected[name].shape);
          expected[name].data.forEach((value, at) => expect(outputs[i]?.[name].data[at]).toBeCloseTo(value, 4));
        }
      }
      await Promise.all([program.dispose(), fixed.dispose()]);
      await expect(program.run(textsOf(1, 1))).rejects.toThrow('a call after dispose()');
    });
  },
);

describe('inputs whose sizes differ', () => {
  type Rows = { readonly x: tf.Tensor };

  /** Runs a function of rows [batch, 3], by one graph if it has one. @returns sessions that it took, and the results */
  async function run(compute: (rows: tf.Tensor) => tf.Tensor, batches: readonly number[]) {
    const create = vi.spyOn(SessionHost.prototype, 'create');
    const program = await engine.prepare((_: object, { x }: Rows) => ({ y: compute(x) }), {}, { dynamicAxes: ['batch'] }); // prettier-ignore
    const results: HostTensor[] = [];
    for (const batch of batches) results.push((await program.run({ x: hostTensor(Array<number>(batch * 3).fill(1), [batch, 3]) })).y); // prettier-ignore
    await program.dispose();
    return { sessions: create.mock.calls.length, results };
  }

  it('have a graph each where the function depends on them by more than shapes', async () => {
    const numbered = (x: tf.Tensor): tf.Tensor => tf.add(x, tf.reshape(tf.range(0, x.shape[0] as number), [-1, 1]));
    const { sessions, results } = await run(numbered, [2, 3, 2]);
    expect(sessions).toBe(2);
    expect(results.map(({ data }) => [...data])).toEqual([
      [1, 1, 1, 2, 2, 2],
      [1, 1, 1, 2, 2, 2, 3, 3, 3],
      [1, 1, 1, 2, 2, 2],
    ]);
  });

  it('have a graph each where an output has other sizes than they', async () => {
    const { sessions, results } = await run((x) => tf.concat([x, x], 0), [1, 2]);
    expect([sessions, results.map(({ shape }) => shape)]).toEqual([2, [[2, 3], [4, 3]]]); // prettier-ignore
  });

  it('have one graph where the function takes only some of the sizes that are tried', async () => {
    const few = (x: tf.Tensor): tf.Tensor => {
      if ((x.shape[0] as number) < 19) throw new RangeError('too few');
      return tf.mul(x, 2);
    };
    const { sessions, results } = await run(few, [19, 40]);
    expect([sessions, results.map(({ data }) => data[0])]).toEqual([1, [2, 2]]);
  });

  it('are told what is wrong with the function itself', async () => {
    const broken = (x: tf.Tensor): tf.Tensor => tf.reshape(x, [7, 11, 13]);
    await expect(run(broken, [2])).rejects.toThrow(/Size\(6\) must match the product of shape 7,11,13/);
  });

  it('have a graph of their own where they do not agree on a size', async () => {
    const create = vi.spyOn(SessionHost.prototype, 'create');
    const sum = (_: object, { x, z }: Rows & { readonly z: tf.Tensor }) => ({ y: tf.add(x, z) });
    const program = await engine.prepare(sum, {}, { dynamicAxes: ['batch'] });
    const ones = (rows: number): HostTensor => hostTensor(Array<number>(rows).fill(1), [rows, 1]);
    for (const [a, b] of [
      [4, 4],
      [4, 1],
      [2, 2],
      [1, 4],
    ] as const) {
      // prettier-ignore
      expect([...(await program.run({ x: ones(a), z: ones(b) })).y.data]).toEqual(Array(Math.max(a, b)).fill(2));
    }
    expect(create).toHaveBeenCalledTimes(3);
    await program.dispose();
  });
});

describe('making ready', () => {
  const prepare = () => engine.prepare(lookUp, CONSTANTS, { ...DYNAMIC, parallel: true });

  it('makes a session in each lane, and one for runs that are alone, before the first run', async () => {
    const create = vi.spyOn(SessionHost.prototype, 'create');
    const program = await prepare();
    await program.warmUp?.(textsOf(1, 1));
    expect([program.parallelRuns, program.hasOneGraph]).toEqual([2, true]);
    await Promise.all([3, 4, 5].map((batch) => program.run(textsOf(batch, batch))));
    await program.run(textsOf(1, 1), { alone: true });
    expect(create.mock.calls.map(([, threads]) => threads)).toEqual([1, 1, 2]);
    await program.dispose();
  });

  it('is for programs of one run at a time, too', async () => {
    const create = vi.spyOn(SessionHost.prototype, 'create');
    const program = await engine.prepare(lookUp, CONSTANTS, DYNAMIC);
    await program.warmUp?.(textsOf(1, 1));
    expect((await program.run(textsOf(2, 2))).sums.shape).toEqual([2, 80]);
    expect(create).toHaveBeenCalledTimes(1);
    await program.dispose();
  });

  it('has all lanes compute each size by itself where one of them cannot make the session', async () => {
    const expected = (await (await engine.prepare(lookUp, CONSTANTS, { parallel: true })).run(textsOf(2, 3))).sums.data;
    const program = await prepare();
    const { create } = SessionHost.prototype;
    const [failing, release] = [vi.spyOn(SessionHost.prototype, 'create'), vi.spyOn(SessionHost.prototype, 'release')];
    failing.mockImplementationOnce(create).mockRejectedValueOnce(new Error('no memory'));
    await program.warmUp?.(textsOf(1, 1));
    expect([program.hasOneGraph, release.mock.calls.length]).toEqual([false, 1]);
    const results = await Promise.all([1, 2, 3, 4].map(() => program.run(textsOf(2, 3))));
    for (const { sums } of results) expect(sums.data).toEqual(expected);
    await program.dispose();
  });

  it('fails once outputs have come from one graph, which others would not equal to the last bit', async () => {
    const program = await prepare();
    await program.run(textsOf(2, 3));
    vi.spyOn(SessionHost.prototype, 'create').mockRejectedValue(new Error('no memory'));
    await expect(program.warmUp?.(textsOf(1, 1))).rejects.toThrow('no memory');
    expect(program.hasOneGraph).toBe(true);
    vi.restoreAllMocks();
    await program.dispose();
  });

  it('has ended when the program is disposed', async () => {
    const [create, release] = [vi.spyOn(SessionHost.prototype, 'create'), vi.spyOn(SessionHost.prototype, 'release')];
    const program = await prepare();
    const warm = program.warmUp?.(textsOf(1, 1));
    await program.dispose();
    await warm;
    expect([create.mock.calls.length, release.mock.calls.length]).toEqual([3, 3]);
  });

  it('knows no other axes than these', async () => {
    const preparing = engine.prepare(lookUp, CONSTANTS, { dynamicAxes: ['width' as 'batch'] });
    await expect(preparing).rejects.toThrow('dynamicAxes, expected "batch" or "length", received "width"');
  });

  it('tries again where the session of a first run could not be made', async () => {
    const program = await prepare();
    vi.spyOn(SessionHost.prototype, 'create').mockRejectedValueOnce(new Error('no memory'));
    await expect(program.run(textsOf(1, 1))).rejects.toThrow('no memory');
    expect((await program.run(textsOf(1, 1))).sums.shape).toEqual([1, 80]);
    await program.dispose();
  });

  it('may end while the first run is traced', async () => {
    const program = await prepare();
    const run = program.run(textsOf(2, 2));
    await program.dispose();
    expect((await run).sums.shape).toEqual([2, 80]);
    await expect(program.warmUp?.(textsOf(1, 1))).rejects.toThrow('a call after dispose()');
  });
});

describe('sessions', () => {
  it('stay until their runs are done, however many others come in between', async () => {
    const release = vi.spyOn(SessionHost.prototype, 'release');
    const program = await engine.prepare((_: object, { x }: { readonly x: tf.Tensor }) => ({ y: tf.mul(x, 2) }), {});
    const runs = Array.from({ length: 40 }, (_, i) =>
      program.run({ x: hostTensor(Array<number>(i + 1).fill(1), [i + 1]) }),
    );
    const results = await Promise.all(runs);
    expect(results.map(({ y }) => y.data.length)).toEqual(Array.from({ length: 40 }, (_, i) => i + 1));
    expect(release).toHaveBeenCalledTimes(24);
    await program.dispose();
    expect(release).toHaveBeenCalledTimes(40);
  });
});
