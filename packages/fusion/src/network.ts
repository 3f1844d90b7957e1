import * as tf from '@tensorflow/tfjs';
import {
  assertShape,
  named,
  type ClassScores,
  type Features,
  type Host,
  type Named,
  type PerPair,
  type PerPost,
  type Random,
  type Scalar,
} from '@drf/tensor';
import { applyLinear, initializeLinear, oneHot, type LinearParameters } from '@drf/layers';

/** Parameters of F: layer1 [2·dim, hidden], layer2 [hidden, hidden] (the paper's F has it), layer3 [hidden, dim]. */
export type FusionParameters = {
  readonly layer1: LinearParameters;
  readonly layer2?: LinearParameters;
  readonly layer3: LinearParameters;
};

/**
 * F: one shared network over a concatenated (image, text) pair.
 * @param layers 3 as in the paper; 2 leaves out `layer2`
 */
export function initializeFusion(
  random: Random,
  dim: number,
  hidden: number = dim,
  layers: 2 | 3 = 3,
): Host<FusionParameters> {
  return {
    layer1: initializeLinear(random.fork('layer1'), 2 * dim, hidden),
    ...(layers === 3 ? { layer2: initializeLinear(random.fork('layer2'), hidden, hidden) } : {}),
    layer3: initializeLinear(random.fork('layer3'), hidden, dim),
  };
}

/** F(pair) for every pair: [batch, pair, 2·dim] → [batch, pair, dim] */
export function applyFusion(
  parameters: FusionParameters,
  pairs: Named<['batch', 'pair', 'both']>,
): Named<['batch', 'pair', 'dim']> {
  const [batch, count, width] = pairs.shape as [number, number, number];
  assertShape('applyFusion', pairs, ['*', '*', parameters.layer1.kernel.shape[0]], 'check the feature width');
  const rows = tf.reshape(pairs, [batch * count, width]); // [batch·pair, 2·dim]
  const first = tf.relu(applyLinear(parameters.layer1, rows)); // → [batch·pair, hidden]
  const { layer2 } = parameters;
  const second = layer2 === undefined ? first : tf.relu(applyLinear(layer2, first)); // → [batch·pair, hidden]
  const fused = applyLinear(parameters.layer3, second); // → [batch·pair, dim]
  return named(tf.reshape(fused, [batch, count, fused.shape[1] as number]), ['batch', 'pair', 'dim']);
}

/** Eq. 12: M = Σ over pairs of weight · F(pair). [batch, pair] · [batch, pair, dim] → [batch, dim] */
export function weightedSum(weights: PerPair, fusedPairs: Named<['batch', 'pair', 'dim']>): Features {
  return named(tf.sum(tf.mul(tf.expandDims(weights, 2), fusedPairs), 1), ['batch', 'dim']);
}

/** W·M + b (Eq. 14 before its softmax). [batch, dim] × [dim, classes] → [batch, classes] */
export function classify(parameters: LinearParameters, fused: Features): ClassScores {
  return named(applyLinear(parameters, fused), ['batch', 'classes']);
}

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
