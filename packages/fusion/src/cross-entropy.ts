import * as tf from '@tensorflow/tfjs';
import { assertShape, named, type ClassScores, type Named, type PerPair, type PerPost, type Scalar } from '@drf/tensor';

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

/**
 * Pair supervision: the cross-entropy of each existing pair's own prediction, mean over a post's existing pairs, then
 * over the batch. Each pair so learns to judge alone, whatever weight it has.
 * @param logits [batch, pair, classes]
 * @param labels int32 [batch]
 * @param existing [batch, pair], 0 or 1; pairs that do not exist influence nothing
 * @param weights how much each post counts, [batch]: see {@link crossEntropy}
 */
export function pairCrossEntropy(
  logits: Named<['batch', 'pair', 'classes']>,
  labels: PerPost,
  existing: PerPair,
  weights?: PerPost,
): Scalar {
  const [batch, pairs, classes] = logits.shape as [number, number, number];
  assertShape('pairCrossEntropy existing', existing, [batch, pairs]);
  const oneHot = tf.cast(tf.oneHot(tf.cast(labels, 'int32') as tf.Tensor1D, classes), 'float32'); // [batch, classes]
  const perClass = tf.mul(tf.expandDims(oneHot, 1), tf.logSoftmax(logits, -1)); // [batch, pair, classes]
  const losses = tf.neg(tf.sum(perClass, -1)); // [batch, pair]
  const counts = tf.maximum(tf.sum(existing, -1), 1); // [batch]
  const perPost = tf.div(tf.sum(tf.mul(losses, existing), -1), counts); // [batch]
  return named(tf.mean(weights === undefined ? perPost : tf.mul(perPost, weights)), []);
}
