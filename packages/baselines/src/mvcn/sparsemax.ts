import * as tf from '@tensorflow/tfjs';

/** Scores of what does not stand: far below any other, so that sparsemax gives them exactly 0. */
const ABSENT_SCORE = -1e6;

/**
 * Sparsemax over the last axis: the Euclidean projection of scores onto the probability simplex, max(zᵢ − τ, 0), which
 * sums to 1 and is exactly 0 for all but the largest scores.
 * Source: Martins and Astudillo, "From softmax to sparsemax" (ICML 2016), Algorithm 1; the gradient is its Eq. 11: on the
 * support, what comes in less its mean there.
 */
export function sparsemax(scores: tf.Tensor): tf.Tensor {
  const run = tf.customGrad((input, save) => {
    const z = input as tf.Tensor;
    const weights = project(z);
    (save as tf.GradSaveFunc)([weights]);
    const gradFunc = (dy: tf.Tensor, saved: tf.Tensor[]): tf.Tensor => {
      const support = tf.cast(tf.greater(saved[0] as tf.Tensor, 0), 'float32');
      const inside = tf.mul(dy, support);
      const mean = tf.div(tf.sum(inside, -1, true), tf.sum(support, -1, true));
      return tf.mul(support, tf.sub(dy, mean));
    };
    return { value: weights, gradFunc };
  });
  return run(scores);
}

/** Sparsemax among what stands; zeros elsewhere, and zeros alone where nothing stands. */
export function maskedSparsemax(scores: tf.Tensor, mask: tf.Tensor): tf.Tensor {
  return tf.mul(sparsemax(tf.add(scores, tf.mul(tf.sub(1, mask), ABSENT_SCORE))), mask);
}

function project(scores: tf.Tensor): tf.Tensor {
  const size = scores.shape.at(-1) as number;
  const z = tf.sub(scores, tf.max(scores, -1, true)); // the result does not change, the sums stay exact
  const sorted = tf.topk(z, size).values; // descending
  const sums = tf.cumsum(sorted, z.rank - 1); // of the k largest
  const ranks = tf.range(1, size + 1, 1, 'float32');
  const inSupport = tf.cast(tf.greater(tf.add(1, tf.mul(ranks, sorted)), sums), 'float32');
  const count = tf.sum(inSupport, -1, true); // k(z)
  const threshold = tf.div(tf.sub(tf.sum(tf.mul(inSupport, sorted), -1, true), 1), count); // τ
  return tf.relu(tf.sub(z, threshold));
}
