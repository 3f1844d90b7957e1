import { createEngine } from '@drf/engine';
import { applyLinear, initializeLinear, type LinearParameters } from '@drf/layers';
import { createRandom, hostTensor } from '@drf/tensor';
import type * as tf from '@tensorflow/tfjs';
import { describe, expect, it } from 'vitest';
import { exactRows } from './exact-rows.js';

const [INPUTS, COLUMNS] = [384, 384];
const weights = initializeLinear(createRandom(1), INPUTS, COLUMNS);
const random = createRandom(2);
const rows = Float32Array.from({ length: 520 * INPUTS }, () => random.uniform(-1, 1));

describe('an engine gives exact rows', () => {
  const ways = { oneGraph: { dynamicAxes: ['batch'] }, eachSize: {} } as const;
  const counts = [1, 2, 3, 5, 8, 16].flatMap((threads) => (['oneGraph', 'eachSize'] as const).map((way) => [threads, way] as const)); // prettier-ignore

  it.each(counts)('where it says so, by %i threads, %s', async (threads, way) => {
    const engine = await createEngine('compiled', { threads });
    const program = await engine.prepare<LinearParameters, { readonly x: tf.Tensor }, { readonly y: tf.Tensor }>(
      (parameters, { x }) => ({ y: applyLinear(parameters, x) }),
      weights,
      { parallel: 1, ...ways[way] },
    );
    const productOf = async (count: number) => {
      const x = hostTensor(rows.subarray(0, count * INPUTS), [count, INPUTS]);
      return (await program.run({ x })).y.data;
    };
    const all = await productOf(520);
    let areEqual = true;
    for (const count of [1, 2, 16, 65, 257])
      areEqual &&= (await productOf(count)).every((value, i) => value === all[i]);
    expect((await exactRows(engine, weights))[way].inBatches).toBe(areEqual);
    if (threads === 1 || way === 'oneGraph') expect(areEqual).toBe(true);
    await engine.dispose();
  });

  it.each([
    [384, 16, 8, { inBatches: true, alone: true }], // two threads each, four for a run that is alone
    [192, 4, 4, { inBatches: true, alone: false }], // one each, four have 48 columns
    [192, 8, 2, { inBatches: false, alone: false }],
  ])('of %i columns, by %i threads that %i runs share', async (columns, threads, parallelRuns, expected) => {
    const engine = await createEngine('compiled', { threads });
    const narrow = initializeLinear(createRandom(1), INPUTS, columns);
    expect((await exactRows(engine, narrow, 'float32', parallelRuns)).eachSize).toEqual(expected);
    await engine.dispose();
  });

  it('where products are in int8, or short; others than `compiled` are not asked', async () => {
    const [compiled, eager] = [await createEngine('compiled', { threads: 16 }), await createEngine('eager:cpu')];
    const all = { inBatches: true, alone: true };
    const none = { inBatches: false, alone: false };
    expect(await exactRows(compiled, weights, 'int8')).toEqual({ oneGraph: all, eachSize: all });
    expect((await exactRows(compiled, initializeLinear(createRandom(1), 128, 384))).eachSize.alone).toBe(true);
    expect(await exactRows(eager, weights)).toEqual({ oneGraph: none, eachSize: none });
    await compiled.dispose();
    await eager.dispose();
  });
});
