import * as tf from '@tensorflow/tfjs';
import { assertShape, hostTensor, named, type Host, type Named, type PerPair, type Random } from '@drf/tensor';
import { applyLinear, initializeLinear, type LinearParameters } from '@drf/layers';
import { PAIRS } from './pairs.js';

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
