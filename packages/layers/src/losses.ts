import * as tf from '@tensorflow/tfjs';
import { assertShape, named, type ClassScores, type PerPost, type Scalar } from '@drf/tensor';

/**
 * Cross-entropy, mean over the batch, from logits (stable log-softmax); DRF's Eq. 15.
 * @param logits [batch, classes]
 * @param labels int32 [batch], each below `classes`
 * @param weights how much each post counts, [batch]; the sum is still divided by the number of posts, so that a batch
 *   in parts gives what it gives whole
 * @throws ShapeMismatchError when there are not as many labels as rows of logits
 */
export function crossEntropy(logits: ClassScores, labels: PerPost, weights?: PerPost): Scalar {
  const [batch, classes] = logits.shape as [number, number];
  assertShape('crossEntropy labels', labels, [batch]);
  return softCrossEntropy(logits, oneHot(labels, classes), weights);
}

/** The same with targets that are distributions: [batch, classes], rows that sum to 1. */
export function softCrossEntropy(logits: ClassScores, targets: ClassScores, weights?: PerPost): Scalar {
  const logLikelihoods = tf.sum(tf.mul(targets, tf.logSoftmax(logits, -1)), -1); // [batch]
  return named(tf.neg(tf.mean(weights === undefined ? logLikelihoods : tf.mul(logLikelihoods, weights))), []);
}

/** Whole numbers [batch] as ones among zeros: float32 [batch, classes]. */
export function oneHot(labels: PerPost, classes: number): ClassScores {
  const rows = tf.oneHot(tf.cast(labels, 'int32'), classes);
  return named(tf.cast(rows, 'float32'), ['batch', 'classes']);
}
