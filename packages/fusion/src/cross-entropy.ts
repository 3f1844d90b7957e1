import * as tf from '@tensorflow/tfjs';
import { assertShape, named, type ClassScores, type PerPost, type Scalar } from '@drf/tensor';

/**
 * Cross-entropy (Eq. 15), mean over the batch, from logits (stable log-softmax).
 * @param logits [batch, classes]
 * @param labels int32 [batch], each below `classes`
 * @param weights how much each post counts, [batch]; the sum is still divided by the number of posts, so that a batch
 *   in parts gives what it gives whole
 */
export function crossEntropy(logits: ClassScores, labels: PerPost, weights?: PerPost): Scalar {
  const [batch, classes] = logits.shape as [number, number];
  assertShape('crossEntropy labels', labels, [batch]);
  const target = tf.cast(tf.oneHot(tf.cast(labels, 'int32') as tf.Tensor1D, classes), 'float32'); // [batch, classes]
  const logLikelihoods = tf.sum(tf.mul(target, tf.logSoftmax(logits, -1)), -1); // [batch]
  return named(tf.neg(tf.mean(weights === undefined ? logLikelihoods : tf.mul(logLikelihoods, weights))), []);
}
