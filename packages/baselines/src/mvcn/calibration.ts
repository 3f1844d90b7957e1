import * as tf from '@tensorflow/tfjs';
import { oneHot, stopGradient } from '@drf/layers';
import { named, type ClassScores, type PerPost, type Scalar } from '@drf/tensor';
import { normalizeRows } from '../clmlf/contrastive-losses.js';
import type { CentroidInputs } from './centroid-memory.js';

const LOG_2 = Math.log(2);
const SMALLEST = 1e-12;

/** Σ p·(log p − log q) of each row. [batch, classes] → [batch] */
function divergence(p: tf.Tensor, q: tf.Tensor): tf.Tensor {
  return tf.sum(tf.mul(p, tf.sub(tf.log(tf.maximum(p, SMALLEST)), tf.log(tf.maximum(q, SMALLEST)))), -1);
}

/**
 * How uncertain a label is: how far what the image alone says and what the text alone says lie apart, as their
 * Jensen-Shannon divergence over log 2, from 0 (the same) to 1 (certain of different classes). [batch]
 */
export function labelUncertainty(image: ClassScores, text: ClassScores): PerPost {
  const middle = tf.div(tf.add(image, text), 2);
  const sum = tf.add(divergence(image, middle), divergence(text, middle));
  return named(tf.clipByValue(tf.div(sum, 2 * LOG_2), 0, 1), ['batch']);
}

/**
 * Targets after adaptive calibration: the annotated label, moved by `strength` times its uncertainty towards what the
 * two modalities say on average. [batch, classes], rows sum to 1
 * @param image, text probabilities of the modalities' own classifiers; no gradient goes back to them
 */
export function calibratedTargets(
  labels: PerPost,
  image: ClassScores,
  text: ClassScores,
  strength: number,
): ClassScores {
  const [ofImage, ofText] = [stopGradient(image), stopGradient(text)];
  const annotated = oneHot(labels, image.shape[1] as number);
  const share = tf.expandDims(tf.mul(labelUncertainty(ofImage, ofText), strength), 1); // [batch, 1]
  const said = tf.div(tf.add(ofImage, ofText), 2);
  return named(tf.add(tf.mul(annotated, tf.sub(1, share)), tf.mul(said, share)), ['batch', 'classes']);
}

/**
 * Feature restraint: 1 − cosine between a modality's feature and the centroid of the post's class, mean over posts whose
 * class has one and whose modality is there. It pulls both modalities of a class to one place.
 */
export function centroidRestraint(
  features: tf.Tensor,
  available: PerPost,
  labels: PerPost,
  { centroids, known }: CentroidInputs,
): Scalar {
  const rows = tf.cast(labels, 'int32') as tf.Tensor1D;
  const own = tf.gather(normalizeRows(centroids), rows); // [batch, dim]
  const counts = tf.mul(tf.gather(known, rows), available); // [batch]
  const distance = tf.sub(1, tf.sum(tf.mul(normalizeRows(features), own), -1));
  return named(tf.div(tf.sum(tf.mul(distance, counts)), tf.maximum(tf.sum(counts), 1)), []);
}
