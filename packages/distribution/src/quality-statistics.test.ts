import * as tf from '@tensorflow/tfjs';
import { beforeAll, describe, expect, it } from 'vitest';
import { createRandom, hostTensor, mapTree, type HostTensor } from '@drf/tensor';
import { toTensor } from '@drf/tensor/transfer';
import {
  distanceMoments,
  fitLowRankGaussian,
  gaussianDistances,
  logDistances,
  logLowRankDensity,
  qualityStatistics,
  type LowRankGaussian,
} from './index.js';

beforeAll(async () => void (await tf.setBackend('cpu')));

const CROSS: LowRankGaussian = {
  mean: hostTensor([1, 0, 0], [3]),
  basis: hostTensor([1, 0, 0], [3, 1]),
  variances: hostTensor([4], [1]),
  noise: hostTensor([0.5], []),
};

function normalRows(count: number, width: number, seed: number, scale = 1): HostTensor {
  const random = createRandom(seed);
  return hostTensor(
    Array.from({ length: count * width }, (_, i) => (scale * random.normal()) / (1 + (i % width))),
    [count, width],
  );
}

function distancesOf(rows: HostTensor, gaussian: LowRankGaussian): { [name: string]: number[] } {
  return tf.tidy(() => {
    const distances = gaussianDistances(toTensor(rows), mapTree(gaussian, toTensor) as LowRankGaussian<tf.Tensor>);
    const all = { ...distances, logDensity: logLowRankDensity(distances) };
    return Object.fromEntries(Object.entries(all).map(([name, tensor]) => [name, [...tensor.dataSync()]]));
  });
}

describe('gaussianDistances', () => {
  it('by hand', () => {
    const { mahalanobis, residual, radius, logDensity } = distancesOf(hostTensor([5, 1, 2], [1, 3]), CROSS);
    expect(mahalanobis?.[0]).toBeCloseTo(16 / 4, 5);
    expect(residual?.[0]).toBeCloseTo((1 + 4) / 0.5, 5);
    expect(radius?.[0]).toBeCloseTo(16 + 5, 5);
    expect(logDensity?.[0]).toBeCloseTo(-(4 + 10) / 2, 5);
  });

  it('sums to the Mahalanobis distance of the full covariance', () => {
    // V·diag(v)·Vᵀ + noise·(1 − V·Vᵀ) with V = e₁ is diagonal: 4, 0.5, 0.5
    const rows = normalRows(10, 3, 4, 3);
    const { mahalanobis, residual } = distancesOf(rows, CROSS);
    for (let row = 0; row < 10; row++) {
      const at = (i: number): number => rows.data[row * 3 + i] as number;
      const due = (at(0) - 1) ** 2 / 4 + at(1) ** 2 / 0.5 + at(2) ** 2 / 0.5;
      expect((mahalanobis?.[row] as number) + (residual?.[row] as number)).toBeCloseTo(due, 3);
    }
  });

  it('refuses features of another width', () => {
    tf.tidy(() => {
      const gaussian = mapTree(CROSS, toTensor) as LowRankGaussian<tf.Tensor>;
      expect(() => gaussianDistances(tf.zeros([2, 4]), gaussian)).toThrow('expected [*, 3], received [2, 4]');
    });
  });
});

describe('distanceMoments', () => {
  it('agrees with the statistics as tensors compute them', () => {
    const gaussian = fitLowRankGaussian(normalRows(50, 8, 1), 3);
    const rows = normalRows(30, 8, 2);
    const moments = distanceMoments(rows, gaussian);
    tf.tidy(() => {
      const tensors = mapTree(gaussian, toTensor) as LowRankGaussian<tf.Tensor>;
      const { mean, variance } = tf.moments(logDistances(gaussianDistances(toTensor(rows), tensors)), 0);
      mean.dataSync().forEach((value, i) => expect(moments.mean.data[i]).toBeCloseTo(value, 4));
      tf.sqrt(variance)
        .dataSync()
        .forEach((value, i) => expect(moments.std.data[i]).toBeCloseTo(value, 4));
    });
  });
});

describe('qualityStatistics', () => {
  const statistics = (rows: HostTensor, gaussian: LowRankGaussian, calibration: HostTensor): number[][] =>
    tf.tidy(() => {
      const moments = mapTree(distanceMoments(calibration, gaussian), toTensor) as { mean: tf.Tensor; std: tf.Tensor };
      const tensors = mapTree(gaussian, toTensor) as LowRankGaussian<tf.Tensor>;
      return qualityStatistics(gaussianDistances(toTensor(rows), tensors), moments).arraySync() as number[][];
    });

  it('have mean 0 and deviation 1 over the rows that they were measured on', () => {
    const gaussian = fitLowRankGaussian(normalRows(60, 8, 1), 3);
    const intact = normalRows(200, 8, 2);
    const values = statistics(intact, gaussian, intact);
    for (let i = 0; i < 3; i++) {
      const column = values.map((row) => row[i] as number);
      const mean = column.reduce((sum, value) => sum + value, 0) / column.length;
      expect(mean).toBeCloseTo(0, 3);
      expect(column.reduce((sum, value) => sum + (value - mean) ** 2, 0) / column.length).toBeCloseTo(1, 2);
    }
  });

  it('rise with strangeness, and stay within bounds', () => {
    const gaussian = fitLowRankGaussian(normalRows(60, 8, 1), 3);
    const calibration = normalRows(200, 8, 2);
    const [strange, stranger, absurd] = [3, 30, 1e6].map(
      (scale) => statistics(normalRows(1, 8, 3, scale), gaussian, calibration)[0] as number[],
    ) as [number[], number[], number[]];
    for (let i = 0; i < 3; i++) {
      expect(stranger[i]).toBeGreaterThan(strange[i] as number);
      expect(absurd[i]).toBe(15);
    }
  });
});
