import * as tf from '@tensorflow/tfjs';
import type { TensorTree } from '@drf/tensor';

/**
 * Layer normalization over the last axis: (x − mean) / √(variance + ε) · scale + bias, the variance being the biased
 * one. The operations stand in the order in which ONNX Runtime merges them into one.
 * Source: Ba, Kiros, Hinton, "Layer normalization" (2016).
 */
export function applyNorm(parameters: TensorTree, x: tf.Tensor, epsilon: number): tf.Tensor {
  const { scale, bias } = parameters as { readonly scale: tf.Tensor; readonly bias: tf.Tensor };
  const centered = tf.sub(x, tf.mean(x, -1, true));
  const variance = tf.mean(tf.square(centered), -1, true); // [..., dim] → [..., 1]
  return tf.add(tf.mul(tf.div(centered, tf.sqrt(tf.add(variance, epsilon))), scale), bias);
}
