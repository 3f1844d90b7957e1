import * as tf from '@tensorflow/tfjs';
import { hostTensor, type Host } from '@drf/tensor';
import { recompute } from './gradient.js';

/** Of a normalization: both [dim]. */
export type NormParameters = { readonly scale: tf.Tensor; readonly bias: tf.Tensor };
/** Of a normalization that may go without a bias. */
export type ScaleParameters = Pick<NormParameters, 'scale'> & Partial<NormParameters>;

/** How a normalization is computed. */
export interface NormOptions {
  /** Added to the variance. */
  readonly epsilon: number;
  /**
   * Multiply by 1 / √(variance + ε) instead of dividing by √(variance + ε); default false. The two differ in the last
   * bit, and ONNX Runtime merges only the division into one operation. The embedded text encoder and the compared
   * methods multiply, so that their results stay what they were.
   */
  readonly reciprocal?: boolean;
}

/** Scales of 1 and biases of 0. */
export function initializeNorm(dim: number): Host<NormParameters> {
  return { scale: hostTensor(new Float32Array(dim).fill(1), [dim]), bias: hostTensor(new Float32Array(dim), [dim]) };
}

/**
 * Layer normalization over the last axis: (x − mean) / √(variance + ε) · scale + bias, the variance being the biased
 * one. For the gradient only x is kept.
 * Source: Ba, Kiros, Hinton, "Layer normalization" (2016).
 */
export function applyNorm({ scale, bias }: ScaleParameters, x: tf.Tensor, options: NormOptions): tf.Tensor {
  const { epsilon, reciprocal = false } = options;
  const normalize = ([input, factor, offset]: readonly tf.Tensor[]): tf.Tensor => {
    const given = input as tf.Tensor;
    const centered = tf.sub(given, tf.mean(given, -1, true));
    const variance = tf.add(tf.mean(tf.square(centered), -1, true), epsilon); // [..., dim] → [..., 1]
    const unit = reciprocal ? tf.mul(centered, tf.rsqrt(variance)) : tf.div(centered, tf.sqrt(variance));
    const scaled = tf.mul(unit, factor as tf.Tensor);
    return offset === undefined ? scaled : tf.add(scaled, offset);
  };
  return recompute(normalize, [x, scale, ...(bias === undefined ? [] : [bias])], { onlyCompiled: true });
}
