import * as tf from '@tensorflow/tfjs';
import {
  assertShape,
  named,
  type FeatureVector,
  type Named,
  type PerPost,
  type QueueRows,
  type Scalar,
} from '@drf/tensor';

/** Where a modality's features lie: the paper's μ and σ (Eq. 1, 2). */
export type DistributionStatistics = {
  /** μ, shape [dim]. */
  readonly mean: FeatureVector;
  /** σ = sqrt(mean ‖f − μ‖²): one scalar for all directions, in the features' own units. */
  readonly std: Scalar;
};

/**
 * μ and σ of weighted rows (Eq. 1, 2). Differentiable with respect to the rows, with gradient 0 at σ = 0.
 * @param rows [capacity, dim]
 * @param rowWeights [capacity], non-negative, summing to 1 (see `FeatureQueue.rowWeights`); rows of weight 0 do not count
 */
export function distributionStatistics(rows: QueueRows, rowWeights: Named<['capacity']>): DistributionStatistics {
  const [capacity, dim] = rows.shape as [number, number];
  assertShape('distributionStatistics rowWeights', rowWeights, [capacity]);
  const mean = tf.reshape(tf.matMul(tf.reshape(rowWeights, [1, capacity]), rows), [dim]); // [1, L] × [L, dim] → [dim]
  const squaredDistances = tf.sum(tf.square(tf.sub(rows, mean)), -1); // [L, dim] → [L]
  const std = safeSqrt(tf.sum(tf.mul(squaredDistances, rowWeights))); // [L] → []
  return { mean: named(mean, ['dim']), std: named(std, []) };
}

/** Smallest variance that a density divides by: a queue of identical rows has σ = 0. */
const MINIMUM_VARIANCE = 1e-12;

/**
 * The exponent of Eq. 9: −‖f − μ‖² / 2σ², the logarithm of the density over its own peak, at most 0.
 * @param features [batch, dim]
 * @returns [batch]
 */
export function logRelativeDensity(features: tf.Tensor, statistics: DistributionStatistics): PerPost {
  const squaredDistances = tf.sum(tf.square(tf.sub(features, statistics.mean)), -1); // [batch, dim] → [batch]
  const variance = tf.maximum(tf.square(statistics.std), MINIMUM_VARIANCE);
  return named(tf.neg(tf.div(squaredDistances, tf.mul(variance, 2))), ['batch']);
}

/** log(√(2π)·σ): what Eq. 9 subtracts from {@link logRelativeDensity}. Shape []. */
export function logPeakFactor(statistics: DistributionStatistics): Scalar {
  const std = tf.maximum(statistics.std, Math.sqrt(MINIMUM_VARIANCE));
  return named(tf.add(tf.log(std), 0.5 * Math.log(2 * Math.PI)), []);
}

/**
 * Eq. 9 to the letter: p(f; μ, σ) = exp(−‖f − μ‖² / 2σ²) / (√(2π)·σ).
 * @param features [batch, dim]
 * @returns [batch]
 */
export function gaussianDensity(features: tf.Tensor, statistics: DistributionStatistics): PerPost {
  const logDensity = tf.sub(logRelativeDensity(features, statistics), logPeakFactor(statistics));
  return named(tf.exp(logDensity), ['batch']);
}

/** What decides whether a batch's features enter a queue: Eq. 13. */
export type EnqueueEvidence = {
  /** λ of this modality: 1 present, 0 missing. [batch] */
  readonly available: PerPost;
  /** Density of each feature in this modality's distribution, read before the step changed anything. [batch] */
  readonly density: PerPost;
  /** Mean density of the rows in the queue, in the same unit as `density`. [] */
  readonly threshold: Scalar;
  /** 1 once the queue has been filled, else 0. [] */
  readonly filledOnce: Scalar;
};

/**
 * Eq. 13: an available feature enters if its density exceeds the mean density of the features in the queue; until the
 * queue has been filled once, every available feature enters. Densities may be relative or literal (Eq. 9), since
 * both sides carry the same factor.
 * @returns what `FeatureQueue.enqueue` admits, 1 or 0, [batch]
 * @throws ShapeMismatchError when availability and densities differ in number
 */
export function admittedRows({ available, density, threshold, filledOnce }: EnqueueEvidence): PerPost {
  assertShape('admittedRows density', density, available.shape);
  const isDenser = tf.cast(tf.greater(density, threshold), 'float32');
  return named(tf.mul(available, tf.maximum(isDenser, tf.sub(1, filledOnce))), ['batch']);
}

/** Mean relative density of a queue's rows in their own distribution: the other side of Eq. 13. [capacity, dim] → [] */
export function enqueueThreshold(
  rows: QueueRows,
  rowWeights: Named<['capacity']>,
  statistics: DistributionStatistics,
): Scalar {
  return named(tf.sum(tf.mul(tf.exp(logRelativeDensity(rows, statistics)), rowWeights)), []);
}

/**
 * Square root with gradient 0 where the argument is 0, instead of infinity.
 * @param squared non-negative, any shape
 */
export function safeSqrt(squared: tf.Tensor): tf.Tensor {
  const root = tf.customGrad((input, save) => {
    const value = tf.sqrt(input as tf.Tensor);
    (save as tf.GradSaveFunc)([value]);
    return { value, gradFunc: (upstream, [saved]) => tf.mul(upstream, halfInverse(saved as tf.Tensor)) };
  });
  return root(squared);
}

/** d√x/dx = 1 / 2√x, and 0 where √x is 0. */
function halfInverse(root: tf.Tensor): tf.Tensor {
  const positive = tf.greater(root, 0);
  return tf.where(positive, tf.div(0.5, tf.where(positive, root, tf.onesLike(root))), tf.zerosLike(root));
}

/** ‖x‖ over the last axis, with gradient 0 at x = 0. [.., dim] → [..] */
export function safeNorm(vectors: tf.Tensor): tf.Tensor {
  return safeSqrt(tf.sum(tf.square(vectors), -1));
}
