import * as tf from '@tensorflow/tfjs';
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { named, type ClassScores, type PerPost } from '@drf/tensor';
import { crossEntropy } from './index.js';

beforeAll(async () => void (await tf.setBackend('cpu')));

const labelsOf = (labels: number[]): PerPost => named(tf.tensor1d(labels, 'int32'), ['batch']);
const lossOf = (logits: number[][], labels: number[]): number =>
  tf.tidy(
    () => crossEntropy(named(tf.tensor2d(logits), ['batch', 'classes']), labelsOf(labels)).dataSync()[0] as number,
  );

/** Eq. 15 in double precision. */
function slow(logits: number[][], labels: number[]): number {
  let total = 0;
  logits.forEach((row, post) => {
    const largest = Math.max(...row);
    let sum = 0;
    for (const logit of row) sum += Math.exp(logit - largest);
    total -= (row[labels[post] as number] as number) - largest - Math.log(sum);
  });
  return total / logits.length;
}

describe('crossEntropy', () => {
  it('by hand', () => {
    expect(lossOf([[0, 0, 0]], [1])).toBeCloseTo(Math.log(3), 6);
    expect(lossOf([[Math.log(3), 0]], [0])).toBeCloseTo(-Math.log(0.75), 6);
    expect(lossOf([[Math.log(3), 0], [0, 0]], [1, 0])).toBeCloseTo((Math.log(4) + Math.log(2)) / 2, 6); // prettier-ignore
  });

  it('agrees with double precision', () => {
    const logit = fc.double({ min: -50, max: 50, noNaN: true }).map(Math.fround);
    const anyCase = fc
      .tuple(fc.integer({ min: 1, max: 5 }), fc.integer({ min: 2, max: 7 }))
      .chain(([batch, classes]) =>
        fc.tuple(
          fc.array(fc.array(logit, { minLength: classes, maxLength: classes }), { minLength: batch, maxLength: batch }),
          fc.array(fc.nat(classes - 1), { minLength: batch, maxLength: batch }),
        ),
      );
    fc.assert(
      fc.property(anyCase, ([logits, labels]) => {
        const expected = slow(logits, labels);
        const loss = lossOf(logits, labels);
        expect(loss).toBeGreaterThanOrEqual(0);
        expect(Math.abs(loss - expected)).toBeLessThanOrEqual(1e-5 * (1 + expected));
      }),
      { seed: 1 },
    );
  });

  it('stays finite, value and gradient, where a probability is 0 in float32', () => {
    expect(lossOf([[1000, 0]], [1])).toBeCloseTo(1000, 3);
    tf.tidy(() => {
      const run = (logits: tf.Tensor): tf.Tensor => crossEntropy(logits as ClassScores, labelsOf([1]));
      expect([
        ...tf
          .grad(run)(tf.tensor2d([[1000, 0]]))
          .dataSync(),
      ]).toEqual([1, -1]);
    });
  });

  it('has the gradient softmax − target, over the batch', () => {
    tf.tidy(() => {
      const run = (logits: tf.Tensor): tf.Tensor => crossEntropy(logits as ClassScores, labelsOf([0, 1]));
      const slopes = [...(tf.grad(run)(tf.tensor2d([[0, 0], [Math.log(3), 0]]))).dataSync()]; // prettier-ignore
      [-0.25, 0.25, 0.375, -0.375].forEach((slope, i) => expect(slopes[i]).toBeCloseTo(slope, 6));
    });
  });

  it('counts posts by their weights, value and gradient', () => {
    tf.tidy(() => {
      const logits = tf.tensor2d([[0, 0], [Math.log(3), 0]]); // prettier-ignore
      const weights = (values: number[]): PerPost => named(tf.tensor1d(values), ['batch']);
      const run = (x: tf.Tensor): tf.Tensor => crossEntropy(x as ClassScores, labelsOf([0, 1]), weights([4, 0.5]));
      expect(run(logits).dataSync()[0]).toBeCloseTo((4 * Math.log(2) + 0.5 * Math.log(4)) / 2, 6);
      const slopes = [...tf.grad(run)(logits).dataSync()];
      [4 * -0.25, 4 * 0.25, 0.5 * 0.375, 0.5 * -0.375].forEach((slope, i) => expect(slopes[i]).toBeCloseTo(slope, 6));
      const plain = crossEntropy(logits as ClassScores, labelsOf([0, 1])).dataSync()[0];
      expect(crossEntropy(logits as ClassScores, labelsOf([0, 1]), weights([1, 1])).dataSync()[0]).toBe(plain);
    });
  });

  it('refuses labels of another number than posts', () => {
    expect(() => lossOf([[0, 1], [1, 0]], [0])).toThrow('crossEntropy labels expected [2], received [1]'); // prettier-ignore
  });

  it('repeats to the bit', () => {
    expect(lossOf([[0.3, -0.7, 2.2]], [2])).toBe(lossOf([[0.3, -0.7, 2.2]], [2]));
  });
});
