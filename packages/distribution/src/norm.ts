import * as tf from '@tensorflow/tfjs';

/**
 * Square root with gradient 0 where the argument is 0, instead of infinity.
 * @param squared non-negative, any shape
 */
export function safeSqrt(squared: tf.Tensor): tf.Tensor {
  const isZero = tf.lessEqual(squared, 0);
  const root = tf.sqrt(tf.where(isZero, tf.onesLike(squared), squared));
  return tf.where(isZero, tf.zerosLike(squared), root);
}

/** ‖x‖ over the last axis, with gradient 0 at x = 0. [.., dim] → [..] */
export function safeNorm(vectors: tf.Tensor): tf.Tensor {
  return safeSqrt(tf.sum(tf.square(vectors), -1));
}

/** The same value, through which no gradient flows. */
export function stopGradient<T extends tf.Tensor>(tensor: T): T {
  const stopped = tf.customGrad((input) => ({
    value: tf.clone(input as tf.Tensor),
    gradFunc: () => tf.zerosLike(input as tf.Tensor),
  }));
  return stopped(tensor) as T;
}
