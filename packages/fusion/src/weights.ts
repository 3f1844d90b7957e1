import * as tf from '@tensorflow/tfjs';
import { assertShape, byModality, named, type ByModality, type PerPair, type PerPost, type Scalar } from '@drf/tensor';
import { select } from './pairs.js';

/**
 * How a pair's weight is made of its two densities (Eq. 10, 11):
 * - `density`: the product of the two densities of Eq. 9, to the letter;
 * - `relative`: the same over the densities' own peaks, in (0, 1];
 * - `normalized`: relative weights over their sum over the existing pairs.
 */
export const WEIGHTING_MODES = ['density', 'relative', 'normalized'] as const;
/** One of {@link WEIGHTING_MODES}. */
export type WeightingMode = (typeof WEIGHTING_MODES)[number];

/** Logarithms of the four relative densities, each [batch], and of the two peaks' factors, each []. */
export type LogDensities = ByModality<PerPost> & {
  /** Of what was recovered, against the distribution of the modality that it stands for. */
  readonly recovered: ByModality<PerPost>;
  /** log(√(2π)·σ) of each distribution. */
  readonly peak: ByModality<Scalar>;
};

/**
 * Log weights of the three pairs before any normalization (Eq. 10, 11): sums of two log densities.
 * [batch] → [batch, pair]
 */
export function logPairWeights({ image, text, recovered, peak }: LogDensities, mode: WeightingMode): PerPair {
  const logWeights = tf.stack([tf.add(image, text), tf.add(image, recovered.text), tf.add(recovered.image, text)], 1);
  // each pair has one feature that stands for an image and one for a text, hence the same factor
  const shifted = mode === 'density' ? tf.sub(logWeights, tf.add(peak.image, peak.text)) : logWeights;
  return named(shifted, ['batch', 'pair']);
}

/**
 * Log weight of the one filled pair of `filledOriginalPair`: of the densities that its two features have.
 * [batch] → [batch, 1]
 */
export function logFilledWeight(densities: LogDensities, available: ByModality<PerPost>, mode: WeightingMode): PerPair {
  const filled = byModality((modality) =>
    named(select(available[modality], densities[modality], densities.recovered[modality]), ['batch']),
  );
  const weights = logPairWeights({ ...densities, ...filled }, mode);
  return named(tf.slice(weights, [0, 0], [-1, 1]), ['batch', 'pair']);
}

/**
 * Stands for log 0 where a pair does not exist. Near float32's lowest number, since the logarithm of a pair that does
 * exist reaches -1e12 and beyond where a queue's σ is 0, and has to stay above this one.
 */
const LOG_OF_NOTHING = -3e38;

/**
 * Weights of the existing pairs; 0 for the others.
 * @param logWeights [batch, pair]
 * @param existing [batch, pair], 0 or 1
 * @returns [batch, pair]; in mode `normalized` each row sums to 1 (computed in log space, so never 0/0)
 */
export function pairWeights(logWeights: PerPair, existing: PerPair, mode: WeightingMode): PerPair {
  assertShape('pairWeights existing', existing, logWeights.shape);
  if (mode !== 'normalized') return named(tf.mul(tf.exp(logWeights), existing), ['batch', 'pair']);
  const masked = tf.where(tf.greater(existing, 0), logWeights, tf.fill(logWeights.shape, LOG_OF_NOTHING));
  return named(tf.mul(tf.softmax(masked, -1), existing), ['batch', 'pair']);
}

/** The same weight for each existing pair, summing to 1: warm-up, and the ablation without Gaussian probability. */
export function equalWeights(existing: PerPair): PerPair {
  const count = tf.maximum(tf.sum(existing, -1, true), 1); // [batch, 1]
  return named(tf.div(existing, count), ['batch', 'pair']);
}
