import * as tf from '@tensorflow/tfjs';
import {
  assertShape,
  byModality,
  hostTensor,
  named,
  PAIRS,
  type ByModality,
  type Host,
  type Named,
  type PerPair,
  type PerPost,
  type Random,
  type Scalar,
} from '@drf/tensor';
import { applyLinear, initializeLinear, type LinearParameters } from '@drf/layers';
import { select } from './pairs.js';
import type { WeightingMode } from './names.js';

export { WEIGHTING_MODES, type WeightingMode } from './names.js';

/** Logarithms of the four relative densities, each [batch], and of the two peaks' factors, each []. */
export type LogDensities = ByModality<PerPost> & {
  /** Of what was recovered, against the distribution of the modality that it stands for. */
  readonly recovered: ByModality<PerPost>;
  /** log(√(2π)·σ) of each distribution. */
  readonly peak: ByModality<Scalar>;
};

/**
 * Log weights of the three pairs before any normalization (Eq. 10, 11): sums of two log densities.
 * [batch] → [batch, pair]
 */
export function logPairWeights({ image, text, recovered, peak }: LogDensities, mode: WeightingMode): PerPair {
  const logWeights = tf.stack([tf.add(image, text), tf.add(image, recovered.text), tf.add(recovered.image, text)], 1);
  // each pair has one feature that stands for an image and one for a text, hence the same factor
  const shifted = mode === 'density' ? tf.sub(logWeights, tf.add(peak.image, peak.text)) : logWeights;
  return named(shifted, ['batch', 'pair']);
}

/**
 * Log weight of the one filled pair of `filledOriginalPair`: of the densities that its two features have.
 * [batch] → [batch, 1]
 */
export function logFilledWeight(densities: LogDensities, available: ByModality<PerPost>, mode: WeightingMode): PerPair {
  const filled = byModality((modality) =>
    named(select(available[modality], densities[modality], densities.recovered[modality]), ['batch']),
  );
  const weights = logPairWeights({ ...densities, ...filled }, mode);
  return named(tf.slice(weights, [0, 0], [-1, 1]), ['batch', 'pair']);
}

/**
 * Stands for log 0 where a pair does not exist. Near float32's lowest number, since the logarithm of a pair that does
 * exist reaches -1e12 and beyond where a queue's σ is 0, and has to stay above this one.
 */
const LOG_OF_NOTHING = -3e38;

/**
 * Weights of the existing pairs; 0 for the others.
 * @param logWeights [batch, pair]
 * @param existing [batch, pair], 0 or 1
 * @returns [batch, pair]; in mode `normalized` each row sums to 1 (computed in log space, so never 0/0)
 */
export function pairWeights(logWeights: PerPair, existing: PerPair, mode: WeightingMode): PerPair {
  assertShape('pairWeights existing', existing, logWeights.shape);
  if (mode !== 'normalized') return named(tf.mul(tf.exp(logWeights), existing), ['batch', 'pair']);
  const masked = tf.where(tf.greater(existing, 0), logWeights, tf.fill(logWeights.shape, LOG_OF_NOTHING));
  return named(tf.mul(tf.softmax(masked, -1), existing), ['batch', 'pair']);
}

/** The same weight for each existing pair, summing to 1: warm-up, and the ablation without Gaussian probability. */
export function equalWeights(existing: PerPair): PerPair {
  const count = tf.maximum(tf.sum(existing, -1, true), 1); // [batch, 1]
  return named(tf.div(existing, count), ['batch', 'pair']);
}

/** Parameters of the gate: hidden [statistics, hidden], output [hidden, pair]. */
export type GateParameters = { readonly hidden: LinearParameters; readonly output: LinearParameters };

/**
 * A small network from what is known of a post's quality to the log weights of its pairs. Its last layer starts at
 * zero, so that all existing pairs weigh the same before it has learned anything.
 * @param statistics numbers known of each post
 */
export function initializeGate(random: Random, statistics: number, hidden: number): Host<GateParameters> {
  return {
    hidden: initializeLinear(random.fork('hidden'), statistics, hidden),
    output: {
      kernel: hostTensor(new Float32Array(hidden * PAIRS.length), [hidden, PAIRS.length]),
      bias: hostTensor(new Float32Array(PAIRS.length), [PAIRS.length]),
    },
  };
}

/**
 * Log weights of the pairs before normalization, in place of Eq. 10, 11: linear → tanh → linear.
 * [batch, statistic] → [batch, pair]
 */
export function applyGate(parameters: GateParameters, statistics: Named<['batch', 'statistic']>): PerPair {
  assertShape('applyGate', statistics, ['*', parameters.hidden.kernel.shape[0]]);
  const hidden = tf.tanh(applyLinear(parameters.hidden, statistics)); // [batch, statistic] → [batch, hidden]
  return named(applyLinear(parameters.output, hidden), ['batch', 'pair']);
}
