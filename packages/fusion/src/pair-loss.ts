import * as tf from '@tensorflow/tfjs';
import { oneHot } from '@drf/layers';
import { assertShape, named, type Named, type PerPair, type PerPost, type Scalar } from '@drf/tensor';

/**
 * Pair supervision: the cross-entropy of each existing pair's own prediction, mean over a post's existing pairs, then
 * over the batch. Each pair so learns to judge alone, whatever weight it has.
 * @param logits [batch, pair, classes]
 * @param labels int32 [batch]
 * @param existing [batch, pair], 0 or 1; pairs that do not exist influence nothing
 * @param weights how much each post counts, [batch]: see `crossEntropy`
 */
export function pairCrossEntropy(
  logits: Named<['batch', 'pair', 'classes']>,
  labels: PerPost,
  existing: PerPair,
  weights?: PerPost,
): Scalar {
  const [batch, pairs, classes] = logits.shape as [number, number, number];
  assertShape('pairCrossEntropy existing', existing, [batch, pairs]);
  const perClass = tf.mul(tf.expandDims(oneHot(labels, classes), 1), tf.logSoftmax(logits, -1)); // [batch, pair, classes]
  const losses = tf.neg(tf.sum(perClass, -1)); // [batch, pair]
  const counts = tf.maximum(tf.sum(existing, -1), 1); // [batch]
  const perPost = tf.div(tf.sum(tf.mul(losses, existing), -1), counts); // [batch]
  return named(tf.mean(weights === undefined ? perPost : tf.mul(perPost, weights)), []);
}
