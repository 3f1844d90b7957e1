import { EigenvalueDecomposition, Matrix } from 'ml-matrix';
import { assertFinite, assertShape, ConfigurationError, floatData, hostTensor, type HostTensor } from '@drf/tensor';

/**
 * A Gaussian whose covariance is full along a few directions and the same along all others: probabilistic principal
 * component analysis (Tipping and Bishop 1999), C = V·diag(variances)·Vᵀ + noise·(1 − V·Vᵀ).
 */
export type LowRankGaussian<Leaf = HostTensor> = {
  /** μ, [width] */
  readonly mean: Leaf;
  /** V: orthonormal columns, of the greatest variance first. [width, rank] */
  readonly basis: Leaf;
  /** Variance along each direction of the basis. [rank] */
  readonly variances: Leaf;
  /** Variance along every direction that the basis leaves out. [] */
  readonly noise: Leaf;
};

/** Variances below this share of the mean variance are taken for it, so that nothing divides by 0. */
const SMALLEST_VARIANCE = 1e-6;

/**
 * Fits mean, the directions of greatest variance and the noise that is left, by maximum likelihood (Tipping and Bishop
 * 1999, Eq. 7, 8). Runs on the host: the rows' Gram matrix is decomposed, of [rows, rows] or [width, width], whichever
 * is smaller.
 *
 * With fewer rows than `rank` + 2 the directions beyond are left at zero, where they count for nothing.
 * @param rows [rows, width], two rows at least
 * @param rank directions of the basis; below width
 * @param counts how often each row counts: the fit is that of so many copies, at the cost of one; default: once
 * @throws ConfigurationError for fewer than two rows, or a rank that is not from 1 to width − 1; NonFiniteError for rows
 *   with NaN or infinity
 */
export function fitLowRankGaussian(rows: HostTensor, rank: number, counts?: ArrayLike<number>): LowRankGaussian {
  const [distinct, width] = rows.shape as [number, number];
  const times = counts ?? new Uint8Array(distinct).fill(1);
  assertShape('fitLowRankGaussian counts', { shape: [times.length] }, [distinct]);
  const count = Array.from(times).reduce((sum, each) => sum + each, 0);
  assertRange('rows', count, 2, Infinity);
  assertRange('rank', rank, 1, width - 1);
  const data = floatData(rows);
  assertFinite('fitLowRankGaussian rows', data, 'look for NaN in the features');
  const mean = meanOf(data, times, count, width);
  const centered = new Matrix(distinct, width);
  for (let row = 0; row < distinct; row++) {
    const root = Math.sqrt(times[row] as number);
    for (let i = 0; i < width; i++) {
      centered.set(row, i, root * ((data[row * width + i] as number) - (mean[i] as number)));
    }
  }
  const { directions, eigenvalues } = principalDirections(centered, count, Math.min(rank, count - 2, width - 1));
  const total = centered.norm('frobenius') ** 2 / count; // sum of all variances
  const explained = eigenvalues.reduce((sum, value) => sum + value, 0);
  const floor = Math.max(Number.MIN_VALUE, 1e-30, (SMALLEST_VARIANCE * total) / width);
  const basis = new Float32Array(width * rank);
  const variances = new Float32Array(rank).fill(1); // of directions that were not found: their basis is zero
  eigenvalues.forEach((value, j) => {
    variances[j] = Math.max(floor, value);
    for (let i = 0; i < width; i++) basis[i * rank + j] = directions.get(i, j);
  });
  return {
    mean: hostTensor(Float32Array.from(mean), [width]),
    basis: hostTensor(basis, [width, rank]),
    variances: hostTensor(variances, [rank]),
    noise: hostTensor([Math.max(floor, (total - explained) / (width - eigenvalues.length))], []),
  };
}

function meanOf(data: ArrayLike<number>, times: ArrayLike<number>, count: number, width: number): Float64Array {
  const mean = new Float64Array(width);
  for (let row = 0; row < times.length; row++) {
    const share = times[row] as number;
    for (let i = 0; i < width; i++) mean[i] = (mean[i] as number) + (share * (data[row * width + i] as number)) / count;
  }
  return mean;
}

/**
 * Directions [width, found] and variances of centered rows, greatest first; directions without variance are left out.
 * @param count what the sums of squares are divided by: the rows, copies counted
 */
function principalDirections(
  centered: Matrix,
  count: number,
  wanted: number,
): { directions: Matrix; eigenvalues: number[] } {
  const isWide = centered.rows < centered.columns;
  const width = centered.columns;
  const gram = (isWide ? centered.transpose() : centered).gram();
  const decomposition = new EigenvalueDecomposition(gram.div(count), { assumeSymmetric: true });
  const ascending = decomposition.realEigenvalues;
  const order = ascending.map((_, i) => ascending.length - 1 - i).slice(0, Math.max(0, wanted));
  const largest = Math.max(0, ascending.at(-1) ?? 0);
  const kept = order.filter((i) => (ascending[i] as number) > 1e-12 * largest);
  const eigenvalues = kept.map((i) => ascending[i] as number);
  const vectors = decomposition.eigenvectorMatrix.subMatrixColumn(kept.length > 0 ? kept : [0]);
  if (!isWide) return { directions: vectors, eigenvalues };
  // v = Xᵀu / √(count·λ) turns the left singular vectors into the right ones
  const directions = centered.transpose().mmul(vectors); // [width, rows] × [rows, found] → [width, found]
  eigenvalues.forEach((value, j) => {
    const scale = 1 / Math.sqrt(count * value);
    for (let i = 0; i < width; i++) directions.set(i, j, directions.get(i, j) * scale);
  });
  return { directions, eigenvalues };
}

function assertRange(name: string, value: number, low: number, high: number): void {
  if (Number.isInteger(value) && value >= low && value <= high) return;
  throw new ConfigurationError({
    subject: `fitLowRankGaussian ${name}`,
    expected: high === Infinity ? `a whole number from ${low}` : `a whole number from ${low} to ${high}`,
    received: String(value),
  });
}
