import * as tf from '@tensorflow/tfjs';
import { named, type Features, type FeatureVector, type PerPost, type Scalar } from '@drf/tensor';
import { safeNorm } from './norm.js';

/** Both modalities' means (constants) for {@link distributionConstraint}. */
export interface ConstraintMeans {
  readonly image: FeatureVector;
  readonly text: FeatureVector;
}

/** Exponents above this go on linearly. exp(20) = 4.9e8, far from float32's limit at 88.7. */
export const DEFAULT_EXPONENT_LIMIT = 20;

/**
 * Distribution constraint, Eq. 3, mean over the batch:
 *
 *   L_dis = λᵛ·exp(‖fᵛ − μ_v‖ − ‖fᵛ − μ_t‖) + λᵗ·exp(‖fᵗ − μ_t‖ − ‖fᵗ − μ_v‖)
 *
 * Deviation: exp overflows float32 above 88, so above `exponentLimit` it goes on as its tangent,
 * exp(limit)·(1 + x − limit): equal below, finite above, with a gradient that still pulls.
 * @param image [batch, dim]
 * @param text [batch, dim]
 * @param imageAvailable λᵛ, [batch], 0 or 1
 * @param textAvailable λᵗ, [batch], 0 or 1
 */
export function distributionConstraint(
  image: Features,
  text: Features,
  imageAvailable: PerPost,
  textAvailable: PerPost,
  means: ConstraintMeans,
  exponentLimit: number = DEFAULT_EXPONENT_LIMIT,
): Scalar {
  const pull = (features: Features, own: FeatureVector, other: FeatureVector): tf.Tensor =>
    boundedExp(tf.sub(safeNorm(tf.sub(features, own)), safeNorm(tf.sub(features, other))), exponentLimit); // [batch]
  const imageTerm = tf.mul(imageAvailable, pull(image, means.image, means.text));
  const textTerm = tf.mul(textAvailable, pull(text, means.text, means.image));
  return named(tf.mean(tf.add(imageTerm, textTerm)), []);
}

/** exp below the limit, its tangent above it. Any shape. */
export function boundedExp(exponent: tf.Tensor, limit: number): tf.Tensor {
  const below = tf.minimum(exponent, limit);
  const above = tf.relu(tf.sub(exponent, limit));
  return tf.add(tf.exp(below), tf.mul(above, Math.exp(limit)));
}
