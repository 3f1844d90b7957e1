import * as tf from '@tensorflow/tfjs';
import { assertShape, named, type Named, type PerPost } from '@drf/tensor';
import type { LowRankGaussian } from './low-rank-gaussian.js';

/** How far features lie from a low-rank Gaussian, part by part. */
export type GaussianDistances = {
  /** Squared Mahalanobis distance along the basis. [batch] */
  readonly mahalanobis: PerPost;
  /** Squared distance from the basis's subspace, over the noise variance. [batch] */
  readonly residual: PerPost;
  /** Squared distance to the mean, in the features' own units. [batch] */
  readonly radius: PerPost;
};

/**
 * Distances of features to a low-rank Gaussian.
 * @param features [batch, width]
 */
export function gaussianDistances(features: tf.Tensor, gaussian: LowRankGaussian<tf.Tensor>): GaussianDistances {
  const [width] = gaussian.mean.shape as [number];
  assertShape('gaussianDistances features', features, ['*', width], "check the encoder's outputDim");
  const centered = tf.sub(features, gaussian.mean); // [batch, width]
  const along = tf.matMul(centered, gaussian.basis); // [batch, width] × [width, rank] → [batch, rank]
  const radius = tf.sum(tf.square(centered), -1); // [batch, width] → [batch]
  const inside = tf.sum(tf.square(along), -1); // [batch, rank] → [batch]
  const mahalanobis = tf.sum(tf.div(tf.square(along), gaussian.variances), -1);
  const residual = tf.div(tf.relu(tf.sub(radius, inside)), gaussian.noise);
  return {
    mahalanobis: named(mahalanobis, ['batch']),
    residual: named(residual, ['batch']),
    radius: named(radius, ['batch']),
  };
}

/**
 * log N(f; μ, C) but for a constant: −(Mahalanobis + residual) / 2, at most 0. The counterpart of `logRelativeDensity`
 * for a Gaussian that knows directions. [batch]
 */
export function logLowRankDensity({ mahalanobis, residual }: GaussianDistances): PerPost {
  return named(tf.mul(tf.add(mahalanobis, residual), -0.5), ['batch']);
}

/** Number of statistics that {@link qualityStatistics} gives. */
export const QUALITY_STATISTICS = 3;

/** Mean and deviation of each quality statistic over intact rows, [statistic]. */
export type StatisticMoments<Leaf = tf.Tensor> = { readonly mean: Leaf; readonly std: Leaf };

/** log(1 + distance) of each part, before standardization: distances spread over orders of magnitude. [batch, statistic] */
export function logDistances({ mahalanobis, residual, radius }: GaussianDistances): Named<['batch', 'statistic']> {
  const logs = [tf.log(tf.add(mahalanobis, 1)), tf.log(tf.add(residual, 1)), tf.log(tf.add(radius, 1e-9))];
  return named(tf.stack(logs, 1), ['batch', 'statistic']);
}

/** Standardized statistics are cut here, so that a feature far from everything seen cannot swamp a gate. */
const LOWEST = -5;
const HIGHEST = 15;

/**
 * What a gate is told of a feature's quality: Mahalanobis distance, residual and radius, as logarithms, in deviations
 * from their means over intact rows. About 0 for an intact feature; the higher, the stranger.
 * @returns [batch, statistic]
 */
export function qualityStatistics(
  distances: GaussianDistances,
  moments: StatisticMoments,
): Named<['batch', 'statistic']> {
  const standardized = tf.div(tf.sub(logDistances(distances), moments.mean), moments.std);
  return named(tf.clipByValue(standardized, LOWEST, HIGHEST), ['batch', 'statistic']);
}
