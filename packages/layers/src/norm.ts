import * as tf from '@tensorflow/tfjs';
import { recompute } from '@drf/engine';
import type { TensorTree } from '@drf/tensor';

/** The operations stand in the order in which ONNX Runtime merges them into one. */
function normalize(x: tf.Tensor, scale: tf.Tensor, bias: tf.Tensor, epsilon: number): tf.Tensor {
  const centered = tf.sub(x, tf.mean(x, -1, true));
  const variance = tf.mean(tf.square(centered), -1, true); // [..., dim] → [..., 1]
  return tf.add(tf.mul(tf.div(centered, tf.sqrt(tf.add(variance, epsilon))), scale), bias);
}

/**
 * Layer normalization over the last axis: (x − mean) / √(variance + ε) · scale + bias, the variance being the biased
 * one. For the gradient only x is kept.
 * Source: Ba, Kiros, Hinton, "Layer normalization" (2016).
 */
export function applyNorm(parameters: TensorTree, x: tf.Tensor, epsilon: number): tf.Tensor {
  const { scale, bias } = parameters as { readonly scale: tf.Tensor; readonly bias: tf.Tensor };
  const compute = ([input, factor, offset]: readonly tf.Tensor[]): tf.Tensor =>
    normalize(input as tf.Tensor, factor as tf.Tensor, offset as tf.Tensor, epsilon);
  return recompute(compute, [x, scale, bias], { onlyCompiled: true });
}
