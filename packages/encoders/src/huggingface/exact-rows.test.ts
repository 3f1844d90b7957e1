import { createEngine } from '@drf/engine';
import { applyLinear, initializeLinear, type LinearParameters } from '@drf/layers';
import { createRandom, hostTensor } from '@drf/tensor';
import type * as tf from '@tensorflow/tfjs';
import { describe, expect, it } from 'vitest';
import { givesExactRows } from './exact-rows.js';

const [INPUTS, COLUMNS] = [384, 384];
const weights = initializeLinear(createRandom(1), INPUTS, COLUMNS);
const random = createRandom(2);
const rows = Float32Array.from({ length: 520 * INPUTS }, () => random.uniform(-1, 1));

describe('an engine gives exact rows', () => {
  it.each([1, 2, 3, 5, 8, 16])('where it says so, by %i threads', async (threads) => {
    const engine = await createEngine('compiled', { threads });
    const program = await engine.prepare<LinearParameters, { readonly x: tf.Tensor }, { readonly y: tf.Tensor }>(
      (parameters, { x }) => ({ y: applyLinear(parameters, x) }),
      weights,
      { parallel: 1 },
    );
    const productOf = async (count: number) => {
      const x = hostTensor(rows.subarray(0, count * INPUTS), [count, INPUTS]);
      return (await program.run({ x })).y.data;
    };
    const all = await productOf(520);
    let areEqual = true;
    for (const count of [1, 2, 16, 65, 257])
      areEqual &&= (await productOf(count)).every((value, i) => value === all[i]);
    expect(await givesExactRows(engine, weights)).toBe(areEqual);
    if (threads === 1) expect(areEqual).toBe(true);
    await engine.dispose();
  });

  it('where runs share the threads, so that each has few', async () => {
    const engine = await createEngine('compiled', { threads: 16 });
    expect(await givesExactRows(engine, weights, 'float32', 8)).toBe(true); // two each, and four for one that is alone
    await engine.dispose();
  });

  it('where products are in int8, or short; others than `compiled` are not asked', async () => {
    const [compiled, eager] = [await createEngine('compiled', { threads: 16 }), await createEngine('eager:cpu')];
    expect(await givesExactRows(compiled, weights, 'int8')).toBe(true);
    expect(await givesExactRows(compiled, initializeLinear(createRandom(1), 128, 384))).toBe(true);
    expect(await givesExactRows(eager, weights)).toBe(false);
    await compiled.dispose();
    await eager.dispose();
  });
});
