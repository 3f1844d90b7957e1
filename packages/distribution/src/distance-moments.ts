import { Matrix } from 'ml-matrix';
import { assertShape, floatData, hostTensor, type HostTensor } from '@drf/tensor';
import type { LowRankGaussian } from './low-rank-gaussian.js';
import { QUALITY_STATISTICS, type StatisticMoments } from './quality-statistics.js';

/** Smallest deviation that statistics are divided by: of rows that are all alike it would be 0. */
const SMALLEST_STD = 1e-3;

/**
 * Mean and deviation of `logDistances` over intact rows, on the host. The rows should be others than the Gaussian was
 * fitted to: those lie closer to it than new ones do.
 * @param rows [rows, width], one at least
 * @throws ShapeMismatchError when the width is not the Gaussian's
 */
export function distanceMoments(rows: HostTensor, gaussian: LowRankGaussian): StatisticMoments<HostTensor> {
  const [width, rank] = gaussian.basis.shape as [number, number];
  assertShape('distanceMoments rows', rows, ['*', width]);
  const count = rows.shape[0] as number;
  const data = floatData(rows);
  const mean = floatData(gaussian.mean);
  const variances = floatData(gaussian.variances);
  const noise = floatData(gaussian.noise)[0] as number;
  const centered = new Matrix(count, width);
  for (let row = 0; row < count; row++) {
    for (let i = 0; i < width; i++) centered.set(row, i, (data[row * width + i] as number) - (mean[i] as number));
  }
  const along = centered.mmul(Matrix.from1DArray(width, rank, floatData(gaussian.basis))); // → [rows, rank]
  const statistics = Array.from({ length: count }, (_, row) => {
    const radius = centered.getRow(row).reduce((sum, value) => sum + value * value, 0);
    const coordinates = along.getRow(row);
    const inside = coordinates.reduce((sum, value) => sum + value * value, 0);
    const mahalanobis = coordinates.reduce((sum, value, j) => sum + (value * value) / (variances[j] as number), 0);
    const residual = Math.max(0, radius - inside) / noise;
    return [Math.log(mahalanobis + 1), Math.log(residual + 1), Math.log(radius + 1e-9)];
  });
  const means = columnMeans(statistics);
  const squares = columnMeans(statistics.map((row) => row.map((value, i) => (value - (means[i] as number)) ** 2)));
  return {
    mean: hostTensor(means, [QUALITY_STATISTICS]),
    std: hostTensor(
      squares.map((square) => Math.max(SMALLEST_STD, Math.sqrt(square))),
      [QUALITY_STATISTICS],
    ),
  };
}

function columnMeans(rows: readonly (readonly number[])[]): number[] {
  const sums = new Array<number>(QUALITY_STATISTICS).fill(0);
  for (const row of rows) row.forEach((value, i) => (sums[i] = (sums[i] as number) + value / rows.length));
  return sums;
}
