import * as tf from '@tensorflow/tfjs';
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { createRandom, named, type Named, type QueueRows } from '@drf/tensor';
import {
  distributionStatistics,
  gaussianDensity,
  logPeakFactor,
  logRelativeDensity,
  type DistributionStatistics,
} from './index.js';

beforeAll(async () => void (await tf.setBackend('cpu')));

const rowsOf = (rows: number[][]): QueueRows => named(tf.tensor2d(rows), ['capacity', 'dim']);
const uniform = (count: number): Named<['capacity']> => named(tf.fill([count], 1 / count), ['capacity']);
const statisticsOf = (mean: number[], std: number): DistributionStatistics => ({
  mean: named(tf.tensor1d(mean), ['dim']),
  std: named(tf.scalar(std), []),
});

function read(rows: number[][], weights?: number[]): { mean: number[]; std: number } {
  return tf.tidy(() => {
    const { mean, std } = distributionStatistics(
      rowsOf(rows),
      weights ? named(tf.tensor1d(weights), ['capacity']) : uniform(rows.length),
    );
    return { mean: [...mean.dataSync()], std: std.dataSync()[0] as number };
  });
}

/** Eq. 1, 2 and 9 in double precision, loop by loop. */
function slow(rows: number[][]): { mean: number[]; std: number; density(feature: number[]): number } {
  const mean = (rows[0] as number[]).map((_, axis) => {
    let sum = 0;
    for (const row of rows) sum += row[axis] as number;
    return sum / rows.length;
  });
  const squaredDistance = (row: number[]): number => {
    let sum = 0;
    row.forEach((value, axis) => (sum += (value - (mean[axis] as number)) ** 2));
    return sum;
  };
  let total = 0;
  for (const row of rows) total += squaredDistance(row);
  const std = Math.sqrt(total / rows.length);
  const density = (feature: number[]): number =>
    Math.exp(-squaredDistance(feature) / (2 * std * std)) / (Math.sqrt(2 * Math.PI) * std);
  return { mean, std, density };
}

const value = fc.double({ min: -3, max: 3, noNaN: true }).map(Math.fround);
const matrix = fc
  .tuple(fc.integer({ min: 2, max: 6 }), fc.integer({ min: 1, max: 4 }))
  .chain(([count, dim]) =>
    fc.array(fc.array(value, { minLength: dim, maxLength: dim }), { minLength: count, maxLength: count }),
  );

describe('distributionStatistics', () => {
  it('by hand: the four corners of a rectangle', () => {
    // mean (2, 1); every corner lies sqrt(2² + 1²) away
    const { mean, std } = read([[0, 0], [4, 0], [0, 2], [4, 2]]); // prettier-ignore
    expect(mean).toEqual([2, 1]);
    expect(std).toBeCloseTo(Math.sqrt(5), 6);
  });

  it('is one scalar over all directions, not one a direction', () => {
    expect(read([[1, 0, 0], [-1, 0, 0]]).std).toBeCloseTo(1, 6); // prettier-ignore
    expect(read([[1, 1, 1], [-1, -1, -1]]).std).toBeCloseTo(Math.sqrt(3), 6); // prettier-ignore
  });

  it('agrees with a slow reference in double precision', () => {
    fc.assert(
      fc.property(matrix, (rows) => {
        const expected = slow(rows);
        const { mean, std } = read(rows);
        mean.forEach((entry, axis) => expect(entry).toBeCloseTo(expected.mean[axis] as number, 5));
        expect(std).toBeCloseTo(expected.std, 5);
      }),
      { seed: 1 },
    );
  });

  it('moves with its rows: a shift moves the mean alone, a scale scales both', () => {
    fc.assert(
      fc.property(matrix, fc.integer({ min: -4, max: 4 }), (rows, shift) => {
        const before = read(rows);
        const shifted = read(rows.map((row) => row.map((entry) => entry + shift)));
        expect(shifted.std).toBeCloseTo(before.std, 4);
        shifted.mean.forEach((entry, axis) => expect(entry).toBeCloseTo((before.mean[axis] as number) + shift, 4));
        expect(read(rows.map((row) => row.map((entry) => entry * -2))).std).toBeCloseTo(before.std * 2, 4);
      }),
      { seed: 2, numRuns: 50 },
    );
  });

  it('does not count rows of weight 0, whatever finite numbers they hold', () => {
    const few = [[1, 2], [5, -2], [3, 3]]; // prettier-ignore
    const padded = read([...few, [0, 0], [1e6, -1e6]], [1 / 3, 1 / 3, 1 / 3, 0, 0]);
    const expected = slow(few);
    padded.mean.forEach((entry, axis) => expect(entry).toBeCloseTo(expected.mean[axis] as number, 5));
    expect(padded.std).toBeCloseTo(expected.std, 5);
  });

  it('weighs rows', () => {
    const weighted = read([[0], [4]], [0.75, 0.25]);
    expect(weighted.mean).toEqual([1]);
    expect(weighted.std).toBeCloseTo(Math.sqrt(3), 6); // 0.75·1² + 0.25·3²
  });

  it('is zero, and not NaN, without rows', () => {
    expect(read([[0, 0]], [0])).toEqual({ mean: [0, 0], std: 0 });
  });

  it('carries the gradient, by finite differences, and 0 at σ = 0', () => {
    const rows = [[1, 2], [4, -1], [0, 3]]; // prettier-ignore
    const combine = (matrix: tf.Tensor): tf.Tensor => {
      const { mean, std } = distributionStatistics(named(matrix, ['capacity', 'dim']), uniform(3));
      return tf.add(tf.sum(tf.mul(mean, tf.tensor1d([0.5, -2]))), tf.mul(std, 3));
    };
    const gradient = tf.tidy(() => [...tf.grad(combine)(tf.tensor2d(rows)).dataSync()]);
    const loss = (changed: number[][]): number => {
      const { mean, std } = slow(changed);
      return 0.5 * (mean[0] as number) - 2 * (mean[1] as number) + 3 * std;
    };
    gradient.forEach((slope, i) => {
      const nudged = (by: number): number =>
        loss(rows.map((row, r) => row.map((entry, c) => (r * 2 + c === i ? entry + by : entry))));
      expect(slope).toBeCloseTo((nudged(1e-5) - nudged(-1e-5)) / 2e-5, 4);
    });
    const flat = tf.tidy(() => [
      ...tf
        .grad(combine)(tf.ones([3, 2]))
        .dataSync(),
    ]);
    flat.forEach((slope, i) => expect(slope).toBeCloseTo([0.5, -2][i % 2]! / 3, 5));
  });

  it('refuses weights that are not one a row', () => {
    tf.tidy(() => {
      expect(() => distributionStatistics(rowsOf([[1], [2]]), uniform(3))).toThrow(
        'distributionStatistics rowWeights expected [2], received [3]',
      );
    });
  });
});

describe('densities', () => {
  it('by hand: at the mean, and one σ away', () => {
    const result = tf.tidy(() => {
      const statistics = statisticsOf([1, 1], 2);
      const features = tf.tensor2d([[1, 1], [1, 3], [5, 1]]); // prettier-ignore
      return {
        relative: [...logRelativeDensity(features, statistics).dataSync()],
        literal: [...gaussianDensity(features, statistics).dataSync()],
        peak: logPeakFactor(statistics).dataSync()[0] as number,
      };
    });
    expect(result.relative).toEqual([-0, -0.5, -2]);
    expect(result.peak).toBeCloseTo(Math.log(Math.sqrt(2 * Math.PI) * 2), 6);
    expect(result.literal[0]).toBeCloseTo(0.1994711, 6); // 1 / (√(2π)·2)
    expect(result.literal[1]).toBeCloseTo(0.1994711 * Math.exp(-0.5), 6);
  });

  it('agree with Eq. 9 in double precision', () => {
    fc.assert(
      fc.property(matrix, (rows) => {
        const expected = slow(rows);
        fc.pre(expected.std > 0.05);
        const densities = tf.tidy(() => {
          const statistics = distributionStatistics(rowsOf(rows), uniform(rows.length));
          return [...gaussianDensity(tf.tensor2d(rows), statistics).dataSync()];
        });
        rows.forEach((row, i) => expect((densities[i] as number) / expected.density(row)).toBeCloseTo(1, 3));
      }),
      { seed: 3 },
    );
  });

  it('fall with the distance, and are at most the peak', () => {
    fc.assert(
      fc.property(value, value, (a, b) => {
        const [atA, atB] = tf.tidy(() => [
          ...logRelativeDensity(tf.tensor2d([[a], [b]]), statisticsOf([0], 1.5)).dataSync(),
        ]) as [number, number];
        expect(Math.max(atA, atB)).toBeLessThanOrEqual(0);
        if (Math.abs(a) < Math.abs(b)) expect(atA).toBeGreaterThanOrEqual(atB);
      }),
      { seed: 4 },
    );
  });

  it('stay finite at σ = 0, with finite gradients: a queue of identical rows', () => {
    const outcome = tf.tidy(() => {
      const statistics = distributionStatistics(rowsOf([[2, 2], [2, 2]]), uniform(2)); // prettier-ignore
      const features = tf.tensor2d([[2, 2], [3, 2], [1000, -1000]]); // prettier-ignore
      const log = (x: tf.Tensor): tf.Tensor => logRelativeDensity(x, statistics);
      return {
        std: statistics.std.dataSync()[0],
        log: [...log(features).dataSync()],
        literal: [...gaussianDensity(features, statistics).dataSync()],
        gradient: [
          ...tf
            .grad((x: tf.Tensor) => tf.sum(log(x)))(features)
            .dataSync(),
        ],
      };
    });
    expect(outcome.std).toBe(0);
    expect(outcome.log[0]).toBe(-0);
    expect(outcome.log.every(Number.isFinite)).toBe(true);
    expect(outcome.log[1]).toBeLessThan(-1e9);
    expect(outcome.literal.every(Number.isFinite)).toBe(true);
    expect(outcome.literal[1]).toBe(0);
    expect(outcome.gradient.every(Number.isFinite)).toBe(true);
  });

  it('repeat to the bit', () => {
    const random = createRandom(1);
    const rows = Array.from({ length: 8 }, () => Array.from({ length: 4 }, () => random.normal()));
    const run = (): number[] =>
      tf.tidy(() => [
        ...gaussianDensity(tf.tensor2d(rows), distributionStatistics(rowsOf(rows), uniform(8))).dataSync(),
      ]);
    expect(run()).toEqual(run());
  });
});
