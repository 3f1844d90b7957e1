import * as tf from '@tensorflow/tfjs';

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
