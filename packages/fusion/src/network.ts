import * as tf from '@tensorflow/tfjs';
import {
  assertShape,
  named,
  type ClassScores,
  type Features,
  type Host,
  type Named,
  type PerPair,
  type Random,
} from '@drf/tensor';
import { applyLinear, initializeLinear, type LinearParameters } from '@drf/converters';

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
