import * as tf from '@tensorflow/tfjs';
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { safeNorm, safeSqrt } from './index.js';

beforeAll(async () => void (await tf.setBackend('cpu')));

const valuesOf = (run: () => tf.Tensor): number[] => tf.tidy(() => [...run().dataSync()]);
const gradientOf = (run: (x: tf.Tensor) => tf.Tensor, at: tf.TensorLike): number[] =>
  valuesOf(() => tf.grad((x: tf.Tensor) => tf.sum(run(x)))(tf.tensor(at)));

describe('safeNorm', () => {
  it('by hand: a 3-4-5 triangle, its direction as gradient', () => {
    expect(valuesOf(() => safeNorm(tf.tensor2d([[3, 4], [0, 0], [-6, 8]])))).toEqual([5, 0, 10]); // prettier-ignore
    expect(gradientOf(safeNorm, [[3, 4]])).toEqual([Math.fround(0.6), Math.fround(0.8)]);
  });

  it('has gradient 0 at 0, where tfjs has NaN', () => {
    expect(gradientOf((x) => tf.norm(x, 2, -1), [[0, 0]])).toEqual([NaN, NaN]);
    expect(gradientOf(safeNorm, [[0, 0]])).toEqual([0, 0]);
    expect(gradientOf(safeSqrt, 0)).toEqual([0]);
  });

  it('does not spoil other rows by a row of zeros', () => {
    expect(gradientOf(safeNorm, [[0, 0], [3, 4]])).toEqual([0, 0, Math.fround(0.6), Math.fround(0.8)]); // prettier-ignore
  });

  it('takes what the root of the square cannot hold as nothing, not as NaN', () => {
    expect(gradientOf(safeNorm, [[1e-30, 0]]).every(Number.isFinite)).toBe(true);
  });

  it('agrees with double precision, value and gradient of unit length', () => {
    const row = fc.array(fc.double({ min: -100, max: 100, noNaN: true }), { minLength: 3, maxLength: 3 });
    fc.assert(
      fc.property(row, (values) => {
        const rounded = values.map(Math.fround);
        const norm = Math.hypot(...rounded);
        fc.pre(norm > 1e-3);
        expect(valuesOf(() => safeNorm(tf.tensor1d(rounded)))[0]).toBeCloseTo(norm, 4);
        expect(Math.hypot(...gradientOf(safeNorm, rounded))).toBeCloseTo(1, 5);
      }),
      { seed: 1 },
    );
  });
});
