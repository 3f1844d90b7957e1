import * as tf from '@tensorflow/tfjs';
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { distributionStatistics } from '@drf/distribution';
import { createRandom, mapTree, named, type Named, type PerPost, type QueueRows, type TensorTree } from '@drf/tensor';
import { toTensor } from '@drf/tensor/transfer';
import {
  applyConverter,
  distributionRecoveryLoss,
  initializeConverter,
  sampleRecoveryLoss,
  type ConverterParameters,
} from './index.js';

beforeAll(async () => void (await tf.setBackend('cpu')));

const perPost = (values: number[]): PerPost => named(tf.tensor1d(values), ['batch']);
const queueOf = (rows: tf.TensorLike | tf.Tensor): QueueRows =>
  named(rows instanceof tf.Tensor ? rows : tf.tensor(rows), ['capacity', 'dim']);
const uniform = (count: number): Named<['capacity']> => named(tf.fill([count], 1 / count), ['capacity']);
const numbersOf = (tensor: tf.Tensor): number[] => [...tensor.dataSync()];

const sample = (converted: number[][], target: number[][], both: number[]): number =>
  tf.tidy(() => sampleRecoveryLoss(tf.tensor2d(converted), tf.tensor2d(target), perPost(both)).dataSync()[0] as number);

const distribution = (converted: number[][], target: number[][]): number =>
  tf.tidy(() => {
    const statistics = distributionStatistics(queueOf(target), uniform(target.length));
    return distributionRecoveryLoss(queueOf(converted), uniform(converted.length), statistics).dataSync()[0] as number;
  });

/** μ and σ in double precision, loop by loop. */
function slowStatistics(rows: number[][]): { mean: number[]; std: number } {
  const mean = (rows[0] as number[]).map(
    (_, axis) => rows.reduce((sum, row) => sum + (row[axis] as number), 0) / rows.length,
  );
  let total = 0;
  for (const row of rows) row.forEach((value, axis) => (total += (value - (mean[axis] as number)) ** 2));
  return { mean, std: Math.sqrt(total / rows.length) };
}

const value = fc.double({ min: -3, max: 3, noNaN: true }).map(Math.fround);
const rowsOf = (count: number, dim: number): fc.Arbitrary<number[][]> =>
  fc.array(fc.array(value, { minLength: dim, maxLength: dim }), { minLength: count, maxLength: count });

describe('sampleRecoveryLoss', () => {
  it('by hand: distances of 5 and 13, only where both are available, mean over all posts', () => {
    const converted = [[3, 4], [5, 12], [1, 1]]; // prettier-ignore
    const target = [[0, 0], [0, 0], [1, 1]]; // prettier-ignore
    expect(sample(converted, target, [1, 1, 1])).toBeCloseTo((5 + 13 + 0) / 3, 6);
    expect(sample(converted, target, [1, 0, 1])).toBeCloseTo(5 / 3, 6);
    expect(sample(converted, target, [0, 0, 0])).toBe(0);
  });

  it('agrees with Eq. 4 in double precision', () => {
    const anyCase = fc
      .tuple(fc.integer({ min: 1, max: 5 }), fc.integer({ min: 1, max: 4 }))
      .chain(([batch, dim]) =>
        fc.tuple(
          rowsOf(batch, dim),
          rowsOf(batch, dim),
          fc.array(fc.constantFrom(0, 1), { minLength: batch, maxLength: batch }),
        ),
      );
    fc.assert(
      fc.property(anyCase, ([converted, target, both]) => {
        let expected = 0;
        converted.forEach((row, post) => {
          const distance = Math.hypot(...row.map((entry, i) => entry - (target[post]?.[i] as number)));
          expected += ((both[post] as number) * distance) / converted.length;
        });
        expect(sample(converted, target, both)).toBeCloseTo(expected, 5);
      }),
      { seed: 1 },
    );
  });

  it('pulls what was converted, and never the target', () => {
    tf.tidy(() => {
      const run = (converted: tf.Tensor, target: tf.Tensor): tf.Tensor =>
        sampleRecoveryLoss(converted, target, perPost([1, 1]));
      const [converted, target] = tf.grads(run)([
        tf.tensor2d([[3, 4], [1, 1]]), // prettier-ignore
        tf.tensor2d([[0, 0], [1, 1]]), // prettier-ignore
      ]) as [tf.Tensor, tf.Tensor];
      // unit direction over the batch of 2; the second post is recovered exactly, and its gradient is 0, not NaN
      expect(numbersOf(converted).map((slope) => Number(slope.toFixed(6)))).toEqual([0.3, 0.4, 0, 0]);
      expect(numbersOf(target)).toEqual([0, 0, 0, 0]);
    });
  });

  it('reaches the feature that it is converted from, through the converter', () => {
    tf.tidy(() => {
      const parameters = mapTree(initializeConverter(createRandom(1), 3), toTensor) as ConverterParameters;
      const run = (source: tf.Tensor, target: tf.Tensor): tf.Tensor =>
        sampleRecoveryLoss(applyConverter(parameters, source), target, perPost([1, 0]));
      const inputs = [tf.tensor2d([[1, 2, 3], [4, 5, 6]]), tf.tensor2d([[0, 1, 0], [2, 2, 2]])]; // prettier-ignore
      const [source, target] = tf.grads(run)(inputs) as [tf.Tensor, tf.Tensor];
      const slopes = numbersOf(source);
      expect(slopes.slice(0, 3).some((slope) => Math.abs(slope) > 1e-4)).toBe(true);
      expect(slopes.slice(3)).toEqual([0, 0, 0]); // not both available
      expect(numbersOf(target).every((slope) => slope === 0)).toBe(true);
    });
  });
});

describe('distributionRecoveryLoss', () => {
  it('by hand: means 5 apart, standard deviations 1 and 3', () => {
    const converted = [[1, 0], [-1, 0]]; // prettier-ignore
    const target = [[3, 4 + 3], [3, 4 - 3]]; // prettier-ignore
    expect(distribution(converted, target)).toBeCloseTo(5 + 2, 5);
    expect(distribution(target, converted)).toBeCloseTo(5 + 2, 5);
  });

  it('is 0 where both distributions are the same, though no row is', () => {
    expect(distribution([[1, 0], [-1, 0]], [[0, 1], [0, -1]])).toBeCloseTo(0, 6); // prettier-ignore
  });

  it('agrees with Eq. 6, 7 in double precision', () => {
    const anyCase = fc
      .tuple(fc.integer({ min: 1, max: 6 }), fc.integer({ min: 1, max: 6 }), fc.integer({ min: 1, max: 4 }))
      .chain(([first, second, dim]) => fc.tuple(rowsOf(first, dim), rowsOf(second, dim)));
    fc.assert(
      fc.property(anyCase, ([converted, target]) => {
        const [ours, theirs] = [slowStatistics(converted), slowStatistics(target)];
        const between = Math.hypot(...ours.mean.map((entry, i) => entry - (theirs.mean[i] as number)));
        expect(distribution(converted, target)).toBeCloseTo(between + Math.abs(ours.std - theirs.std), 4);
      }),
      { seed: 2 },
    );
  });

  it('does not count rows of weight 0', () => {
    tf.tidy(() => {
      const statistics = distributionStatistics(queueOf([[3, 0], [5, 0]]), uniform(2)); // prettier-ignore
      const padded = queueOf([[1, 0], [-1, 0], [50, -60]]); // prettier-ignore
      const loss = distributionRecoveryLoss(padded, named(tf.tensor1d([0.5, 0.5, 0]), ['capacity']), statistics);
      expect(loss.dataSync()[0]).toBeCloseTo(4, 5);
    });
  });

  it('has a gradient for the converter only: the queues and the target are constants of the step', () => {
    tf.tidy(() => {
      const random = createRandom(5);
      const rows = (): tf.Tensor2D =>
        tf.tensor2d(Array.from({ length: 4 }, () => Array.from({ length: 3 }, () => random.normal())));
      const host = initializeConverter(createRandom(2), 3);
      const [queue, otherQueue] = [rows(), rows()];
      const parameters = mapTree(host, toTensor) as ConverterParameters;
      const names = [
        parameters.hidden.kernel,
        parameters.hidden.bias,
        parameters.output.kernel,
        parameters.output.bias,
      ];
      const loss = (hiddenKernel: tf.Tensor, hiddenBias: tf.Tensor, kernel: tf.Tensor, bias: tf.Tensor): tf.Tensor => {
        const tree: TensorTree = { hidden: { kernel: hiddenKernel, bias: hiddenBias }, output: { kernel, bias } };
        return distributionRecoveryLoss(
          queueOf(applyConverter(tree as ConverterParameters, queue)),
          uniform(4),
          distributionStatistics(queueOf(otherQueue), uniform(4)),
        );
      };
      const gradients = tf.grads(loss)(names).map(numbersOf);
      expect(gradients.every((gradient) => gradient.some((slope) => Math.abs(slope) > 1e-5))).toBe(true);

      // by finite differences in float32, so with a wide step and a wide margin
      const nudged = (by: number): number =>
        loss(
          ...(names.map((tensor, i) => (i === 3 ? tf.add(tensor, tf.tensor1d([by, 0, 0])) : tensor)) as [
            tf.Tensor,
            tf.Tensor,
            tf.Tensor,
            tf.Tensor,
          ]),
        ).dataSync()[0] as number;
      expect(gradients[3]?.[0]).toBeCloseTo((nudged(1e-2) - nudged(-1e-2)) / 2e-2, 2);
    });
  });

  it('has finite gradients where the converted queue collapses to one point', () => {
    tf.tidy(() => {
      const statistics = distributionStatistics(queueOf([[0, 0], [2, 2]]), uniform(2)); // prettier-ignore
      const gradient = tf.grad((rows: tf.Tensor) => distributionRecoveryLoss(queueOf(rows), uniform(2), statistics));
      expect(numbersOf(gradient(tf.ones([2, 2]))).every(Number.isFinite)).toBe(true);
      expect(numbersOf(gradient(tf.zeros([2, 2]))).every(Number.isFinite)).toBe(true);
    });
  });

  it('repeats to the bit', () => {
    const run = (): number => distribution([[0.1, 0.7], [0.3, -0.9]], [[1.1, 2.3], [0.2, 0.4]]); // prettier-ignore
    expect(run()).toBe(run());
  });
});
