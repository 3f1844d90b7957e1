import * as tf from '@tensorflow/tfjs';
import { ConfigurationError, hostTensor, type Host, type Named, type Random } from '@drf/tensor';
import type { LoraOptions } from './lora.js';

/** Of a linear layer. */
export type LinearParameters = { readonly kernel: Named<['in', 'out']>; readonly bias: Named<['out']> };

/** Of a linear map that may go without a bias, and may have the two factors of a low-rank update. */
export type LinearMap = Pick<LinearParameters, 'kernel'> & {
  readonly bias?: Named<['out']>;
  readonly loraDown?: Named<['in', 'rank']>;
  readonly loraUp?: Named<['rank', 'out']>;
};

/**
 * Kernel and bias drawn uniformly from ±1/√in (He et al. 2015 with a = √5, the default of PyTorch's `nn.Linear`).
 * The draws depend on the stream's seed and names only.
 */
export function initializeLinear(random: Random, inputs: number, outputs: number): Host<LinearParameters> {
  const bound = 1 / Math.sqrt(inputs);
  const draw = (name: string, count: number): Float32Array => {
    const stream = random.fork(name);
    return Float32Array.from({ length: count }, () => stream.uniform(-bound, bound));
  };
  return {
    kernel: hostTensor(draw('kernel', inputs * outputs), [inputs, outputs]),
    bias: hostTensor(draw('bias', outputs), [outputs]),
  };
}

/**
 * x·W + b on the last axis: [..., in] → [..., out]. With a low-rank update it adds (x·loraDown)·loraUp·(alpha / rank).
 * @example
 * const random = createRandom(1);
 * const parameters = mapTree(initializeLinear(random, 3, 5), toTensor) as LinearParameters;
 * applyLinear(parameters, tf.ones([2, 7, 3])); // [2, 7, 5]
 * @param lora what the update was added with (`addLora`)
 * @throws ConfigurationError when there is an update and nothing says its alpha
 */
export function applyLinear(parameters: LinearMap, x: tf.Tensor, lora?: LoraOptions): tf.Tensor {
  const { kernel, bias, loraDown, loraUp } = parameters;
  const [inputs, outputs] = kernel.shape as [number, number];
  const rows = x.rank === 2 ? x : tf.reshape(x, [-1, inputs]); // one product of matrices, whose gradients are two more
  let product = productOfRows(rows, kernel); // [rows, in] × [in, out] → [rows, out]
  if (loraDown !== undefined && loraUp !== undefined) {
    const update = tf.matMul(tf.matMul(rows, loraDown), loraUp); // [rows, in] → [rows, rank] → [rows, out]
    product = tf.add(product, tf.mul(update, loraScale(lora, loraDown.shape[1] as number)));
  }
  if (bias !== undefined) product = tf.add(product, bias);
  return x.rank === 2 ? product : tf.reshape(product, [...x.shape.slice(0, -1), outputs]);
}

/**
 * A single row is computed as one of two: ONNX Runtime has a routine of its own for it, which adds up in another order
 * than those for several, so that what comes of a row would differ in its last bits with the size of the batch. A graph for
 * all sizes, which is never traced for one row, has packed weights, for which there is no such routine; before an encoder
 * calls itself batch-invariant, it tries both.
 */
function productOfRows(rows: tf.Tensor, kernel: tf.Tensor): tf.Tensor {
  if (rows.shape[0] !== 1) return tf.matMul(rows, kernel);
  return tf.slice(tf.matMul(tf.concat([rows, rows]), kernel), [0, 0], [1, -1]);
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
