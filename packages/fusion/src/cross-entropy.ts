import * as tf from '@tensorflow/tfjs';
import { assertShape, named, type ClassScores, type PerPost, type Scalar } from '@drf/tensor';

/**
 * Cross-entropy (Eq. 15), mean over the batch, from logits (stable log-softmax).
 * @param logits [batch, classes]
 * @param labels int32 [batch], each below `classes`
 */
export function crossEntropy(logits: ClassScores, labels: PerPost): Scalar {
  const [batch, classes] = logits.shape as [number, number];
  assertShape('crossEntropy labels', labels, [batch]);
  const target = tf.cast(tf.oneHot(tf.cast(labels, 'int32') as tf.Tensor1D, classes), 'float32'); // [batch, classes]
  return named(tf.neg(tf.mean(tf.sum(tf.mul(target, tf.logSoftmax(logits, -1)), -1))), []);
}
