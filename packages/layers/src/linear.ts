import * as tf from '@tensorflow/tfjs';
import { ConfigurationError, type TensorTree } from '@drf/tensor';
import type { LoraOptions } from './lora.js';

/** kernel [in, out], bias [out] where the map has one, and with a low-rank update [in, rank] and [rank, out]. */
type LinearParameters = {
  readonly kernel: tf.Tensor2D;
  readonly bias?: tf.Tensor1D;
  readonly loraDown?: tf.Tensor2D;
  readonly loraUp?: tf.Tensor2D;
};

/**
 * x·W + b on the last axis: [..., in] → [..., out]. With leaves `loraDown` and `loraUp` it adds
 * (x·loraDown)·loraUp·(alpha / rank).
 * @throws ConfigurationError when there are such leaves and nothing says their alpha
 */
export function applyLinear(parameters: TensorTree, x: tf.Tensor, lora?: LoraOptions): tf.Tensor {
  const { kernel, bias, loraDown, loraUp } = parameters as LinearParameters;
  const [inputs, outputs] = kernel.shape;
  const rows = tf.reshape<tf.Rank.R2>(x, [-1, inputs]); // one product of matrices, whose gradients are two more
  let product: tf.Tensor = tf.matMul(rows, kernel); // [rows, in] × [in, out] → [rows, out]
  if (loraDown !== undefined && loraUp !== undefined) {
    const update = tf.matMul(tf.matMul(rows, loraDown), loraUp); // [rows, in] → [rows, rank] → [rows, out]
    product = tf.add(product, tf.mul(update, loraScale(lora, loraDown.shape[1])));
  }
  if (bias !== undefined) product = tf.add(product, bias);
  return tf.reshape(product, [...x.shape.slice(0, -1), outputs]);
}

function loraScale(lora: LoraOptions | undefined, rank: number): number {
  if (lora !== undefined) return lora.alpha / rank;
  throw new ConfigurationError({
    subject: 'applyLinear',
    expected: 'the option lora, for parameters with loraDown and loraUp',
    received: 'none',
    remedy: 'pass the options that addLora was called with, or merge the update with mergeLora',
  });
}
