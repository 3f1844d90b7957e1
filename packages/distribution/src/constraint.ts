import * as tf from '@tensorflow/tfjs';
import {
  byModality,
  named,
  otherModality,
  type ByModality,
  type Features,
  type FeatureVector,
  type PerPost,
  type Scalar,
} from '@drf/tensor';
import { safeNorm } from './statistics.js';

/** Exponents above this go on linearly. exp(20) = 4.9e8, far from float32's limit at 88.7. */
export const DEFAULT_EXPONENT_LIMIT = 20;

/**
 * Distribution constraint, Eq. 3, mean over the batch:
 *
 *   L_dis = λᵛ·exp(‖fᵛ − μ_v‖ − ‖fᵛ − μ_t‖) + λᵗ·exp(‖fᵗ − μ_t‖ − ‖fᵗ − μ_v‖)
 *
 * Deviation: exp overflows float32 above 88, so above `exponentLimit` it goes on as its tangent,
 * exp(limit)·(1 + x − limit): equal below, finite above, with a gradient that still pulls.
 * @param features fᵛ and fᵗ, each [batch, dim]
 * @param available λᵛ and λᵗ, each [batch], 0 or 1
 * @param means μ_v and μ_t, constants, each [dim]
 */
export function distributionConstraint(
  features: ByModality<Features>,
  available: ByModality<PerPost>,
  means: ByModality<FeatureVector>,
  exponentLimit: number = DEFAULT_EXPONENT_LIMIT,
): Scalar {
  const { image, text } = byModality((modality) => {
    const own = safeNorm(tf.sub(features[modality], means[modality])); // [batch]
    const other = safeNorm(tf.sub(features[modality], means[otherModality(modality)]));
    return tf.mul(available[modality], boundedExp(tf.sub(own, other), exponentLimit));
  });
  return named(tf.mean(tf.add(image, text)), []);
}

/** exp below the limit, its tangent above it. Any shape. */
export function boundedExp(exponent: tf.Tensor, limit: number): tf.Tensor {
  const below = tf.minimum(exponent, limit);
  const above = tf.relu(tf.sub(exponent, limit));
  return tf.add(tf.exp(below), tf.mul(above, Math.exp(limit)));
}
