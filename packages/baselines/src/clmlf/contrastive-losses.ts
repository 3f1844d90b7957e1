import * as tf from '@tensorflow/tfjs';
import { named, type PerPost, type Scalar } from '@drf/tensor';

const SMALLEST_SQUARE = 1e-12;

/** Rows of unit length. [batch, dim] */
export function normalizeRows(rows: tf.Tensor): tf.Tensor {
  return tf.mul(rows, tf.rsqrt(tf.add(tf.sum(tf.square(rows), -1, true), SMALLEST_SQUARE)));
}

/**
 * Label-based contrastive loss: posts of one label attract each other, all others repel. For each post the mean, over the
 * other posts of its label, of −log softmax of their similarity among all other posts; the mean of that over the posts
 * that have such others, 0 when none has.
 * Source: Li et al. 2022 (LBCL); the form is that of Khosla et al., "Supervised contrastive learning" (NeurIPS 2020).
 * @param features [batch, dim], compared by cosine
 * @param labels int32 [batch]
 */
export function labelContrastiveLoss(features: tf.Tensor, labels: PerPost, temperature: number): Scalar {
  const batch = features.shape[0];
  const unit = normalizeRows(features) as tf.Tensor2D;
  const others = tf.sub(1, tf.eye(batch)); // [batch, batch]
  const similarity = tf.div(tf.matMul(unit, unit, false, true), temperature);
  const logShares = tf.logSoftmax(tf.sub(similarity, tf.mul(tf.sub(1, others), 1e9)), -1);
  const same = tf.cast(tf.equal(tf.expandDims(labels, 1), tf.expandDims(labels, 0)), 'float32');
  const positives = tf.mul(same, others);
  const count = tf.sum(positives, 1); // [batch]
  const ofPost = tf.div(tf.neg(tf.sum(tf.mul(positives, logShares), 1)), tf.maximum(count, 1));
  const having = tf.sum(tf.minimum(count, 1));
  return named(tf.div(tf.sum(ofPost), tf.maximum(having, 1)), []);
}

/**
 * The label-based loss as the authors' code has it: rows compared by dot product, a post being one of its own label, the
 * temperature dividing what comes out of log softmax; the mean over all pairs of one label.
 * @param features [batch, dim]; @param labels int32 [batch]
 */
export function authorsLabelLoss(features: tf.Tensor, labels: PerPost, temperature: number): Scalar {
  const rows = features as tf.Tensor2D;
  const logShares = tf.logSoftmax(tf.matMul(rows, rows, false, true), -1); // [batch, batch]
  const same = tf.cast(tf.equal(tf.expandDims(labels, 1), tf.expandDims(labels, 0)), 'float32');
  const total = tf.neg(tf.sum(tf.mul(same, tf.div(logShares, temperature))));
  return named(tf.div(total, tf.sum(same)), []);
}

/**
 * Data-based contrastive loss: each post must find its own augmented view among those of the whole batch.
 * Source: Li et al. 2022 (DBCL).
 * @param features [batch, dim]; @param augmented [batch, dim] of the same posts
 * @param isCosine whether they are compared by cosine; otherwise, as in the authors' code, by dot product
 */
export function dataContrastiveLoss(
  features: tf.Tensor,
  augmented: tf.Tensor,
  temperature: number,
  isCosine = true,
): Scalar {
  const batch = features.shape[0];
  const rows = (given: tf.Tensor): tf.Tensor2D => (isCosine ? normalizeRows(given) : given) as tf.Tensor2D;
  const similarity = tf.matMul(rows(features), rows(augmented), false, true);
  const logShares = tf.logSoftmax(tf.div(similarity, temperature), -1); // [batch, batch]
  return named(tf.div(tf.neg(tf.sum(tf.mul(tf.eye(batch), logShares))), batch), []);
}
