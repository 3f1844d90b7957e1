import { Matrix, solve } from 'ml-matrix';
import { describe, expect, it } from 'vitest';
import { createRandom, hostTensor, type HostTensor } from '@drf/tensor';
import { fitLowRankGaussian, type LowRankGaussian } from './index.js';

/** Rows that vary much along few directions and little along all. */
function makeRows(count: number, width: number, seed = 1): HostTensor {
  const random = createRandom(seed);
  const scales = Array.from({ length: width }, (_, i) => 4 / (1 + i) + 0.2);
  return hostTensor(
    Array.from({ length: count * width }, (_, i) => 1 + (scales[i % width] as number) * random.normal()),
    [count, width],
  );
}

const matrixOf = ({ data, shape }: HostTensor): Matrix =>
  Matrix.from1DArray(shape[0] as number, shape[1] as number, [...data]);

/** The covariance that the model stands for, in full. [width, width] */
function covariance({ basis, variances, noise }: LowRankGaussian): Matrix {
  const directions = matrixOf(basis);
  const width = directions.rows;
  const scaled = Matrix.mul(directions, 1);
  variances.data.forEach((value, j) => scaled.mulColumn(j, value - (noise.data[0] as number)));
  return Matrix.add(scaled.mmul(directions.transpose()), Matrix.eye(width).mul(noise.data[0] as number));
}

function slowCovariance(rows: HostTensor): Matrix {
  const all = matrixOf(rows);
  const centered = all.clone().subRowVector(all.mean('column'));
  return centered.transpose().mmul(centered).div(all.rows);
}

describe('fitLowRankGaussian', () => {
  it.each([4, 30])('takes a row that counts three times for three rows: %i rows', (count) => {
    const rows = makeRows(count, 8);
    const times = Array.from({ length: count }, (_, row) => 1 + (row % 3));
    const repeated = times.flatMap((each, row) => Array.from({ length: each }, () => [...rows.data.subarray(row * 8, row * 8 + 8)]).flat()); // prettier-ignore
    const [counted, copied] = [
      fitLowRankGaussian(rows, 2, times),
      fitLowRankGaussian(hostTensor(repeated, [repeated.length / 8, 8]), 2),
    ];
    const [a, b] = [covariance(counted).to1DArray(), covariance(copied).to1DArray()];
    a.forEach((value, i) => expect(value).toBeCloseTo(b[i] as number, 4));
    counted.mean.data.forEach((value, i) => expect(value).toBeCloseTo(copied.mean.data[i] as number, 5));
    expect(() => fitLowRankGaussian(rows, 2, [1])).toThrow('fitLowRankGaussian counts');
  });

  it('by hand: four points on a cross, long along x', () => {
    const rows = hostTensor([3, 1, 0, -3, 1, 0, 0, 2, 0, 0, 0, 0], [4, 3]);
    const { mean, basis, variances, noise } = fitLowRankGaussian(rows, 1);
    expect([...mean.data]).toEqual([0, 1, 0]);
    expect([...basis.data].map(Math.abs)).toEqual([1, 0, 0]);
    expect(variances.data[0]).toBeCloseTo(18 / 4, 6); // x: 9 + 9 over four rows
    expect(noise.data[0]).toBeCloseTo((2 / 4 + 0) / 2, 6); // y: 1 + 1 over four rows, z: 0
  });

  it.each([
    ['more rows than values', 40, 6],
    ['fewer rows than values', 7, 12],
  ])('keeps the covariance along its basis and the variance in all: %s', (_, count, width) => {
    const rows = makeRows(count, width);
    const gaussian = fitLowRankGaussian(rows, 3);
    const due = slowCovariance(rows);
    const basis = matrixOf(gaussian.basis);
    const along = basis.transpose().mmul(due).mmul(basis); // diagonal, of the variances
    for (let i = 0; i < 3; i++) {
      for (let j = 0; j < 3; j++)
        expect(along.get(i, j)).toBeCloseTo(i === j ? (gaussian.variances.data[i] as number) : 0, 4);
    }
    expect(covariance(gaussian).trace()).toBeCloseTo(due.trace(), 4);
    const orthonormal = basis.transpose().mmul(basis);
    for (let i = 0; i < 3; i++)
      for (let j = 0; j < 3; j++) expect(orthonormal.get(i, j)).toBeCloseTo(i === j ? 1 : 0, 5);
    expect([...gaussian.variances.data]).toEqual([...gaussian.variances.data].sort((a, b) => b - a));
  });

  it('is likelier than any other basis of its size (maximum likelihood)', () => {
    const rows = makeRows(60, 5);
    const due = slowCovariance(rows);
    const logLikelihood = (model: Matrix): number => {
      const determinant = model.clone();
      const lu = solve(determinant, due).trace();
      return -Math.log(detOf(model)) - lu;
    };
    const detOf = (matrix: Matrix): number => {
      // product of the pivots of Gaussian elimination; covariances have positive ones
      const work = matrix.to2DArray();
      let product = 1;
      for (let k = 0; k < work.length; k++) {
        const pivot = work[k]?.[k] as number;
        product *= pivot;
        for (let i = k + 1; i < work.length; i++) {
          const factor = (work[i]?.[k] as number) / pivot;
          for (let j = k; j < work.length; j++) (work[i] as number[])[j]! -= factor * (work[k]?.[j] as number);
        }
      }
      return product;
    };
    const best = fitLowRankGaussian(rows, 2);
    const bestLikelihood = logLikelihood(covariance(best));
    const random = createRandom(3);
    for (let attempt = 0; attempt < 20; attempt++) {
      const nudged = {
        ...best,
        noise: hostTensor([(best.noise.data[0] as number) * (1 + 0.2 * random.normal() ** 2 + 0.01)], []),
      };
      expect(logLikelihood(covariance(nudged))).toBeLessThan(bestLikelihood);
    }
  });

  it('leaves directions that the rows do not have at zero', () => {
    const { basis, variances, noise } = fitLowRankGaussian(hostTensor([1, 2, 3, 4, 5, 6, 7, 8, 10], [3, 3]), 2);
    expect([...basis.data].filter((_, i) => i % 2 === 1)).toEqual([0, 0, 0]);
    expect(variances.data[1]).toBe(1);
    expect(noise.data[0]).toBeGreaterThan(0);
  });

  it('divides by nothing where all rows are the same', () => {
    const { mean, basis, noise } = fitLowRankGaussian(hostTensor([2, 3, 4, 2, 3, 4, 2, 3, 4, 2, 3, 4], [4, 3]), 2);
    expect([...mean.data]).toEqual([2, 3, 4]);
    expect([...basis.data].every(Number.isFinite)).toBe(true);
    expect(noise.data[0]).toBeGreaterThan(0);
  });

  it('repeats to the bit', () => {
    expect(fitLowRankGaussian(makeRows(20, 30), 8)).toEqual(fitLowRankGaussian(makeRows(20, 30), 8));
  });

  it('refuses what cannot be fitted', () => {
    expect(() => fitLowRankGaussian(makeRows(1, 3), 1)).toThrow(
      'fitLowRankGaussian rows expected a whole number from 2',
    );
    expect(() => fitLowRankGaussian(makeRows(4, 3), 3)).toThrow('rank expected a whole number from 1 to 2, received 3');
    expect(() => fitLowRankGaussian(hostTensor([1, 2, Number.NaN, 4, 5, 6], [3, 2]), 1)).toThrow(
      'fitLowRankGaussian rows',
    );
  });
});
