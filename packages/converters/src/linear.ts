import * as tf from '@tensorflow/tfjs';
import { hostTensor, type HostTensor, type Named, type Random } from '@drf/tensor';

/** A linear layer's parameters: kernel [in, out], bias [out]. */
export type LinearParameters = { readonly kernel: Named<['in', 'out']>; readonly bias: Named<['out']> };

/**
 * Kernel and bias drawn uniformly from ±1/√in (He et al. 2015 with a = √5, the default of PyTorch's `nn.Linear`).
 * The draws depend on the stream's seed and names only.
 */
export function initializeLinear(
  random: Random,
  inputs: number,
  outputs: number,
): { kernel: HostTensor; bias: HostTensor } {
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

/** x·W + b: [rows, in] × [in, out] → [rows, out] */
export function applyLinear(parameters: LinearParameters, rows: tf.Tensor): tf.Tensor {
  return tf.add(tf.matMul(rows, parameters.kernel), parameters.bias);
}
