import type * as tf from '@tensorflow/tfjs';
import { mapTree, toTensor, type TensorTree } from '@drf/tensor';
import type { HeadOutputs, ModelInputs } from './head.js';
import type { RecordedEncoder, RecordedEncoders } from './recorded-encoders.js';

function encode({ apply }: RecordedEncoder, inputs: TensorTree): tf.Tensor {
  return apply.compute(mapTree(apply.parameters, toTensor), inputs)['features'] as tf.Tensor;
}

/**
 * Encoders and head as one function: [batch, …] of raw inputs to everything that the head says. Pixels and token ids stand
 * where an encoder is part of the model, features where not.
 */
export function wholeModel(
  head: (inputs: ModelInputs) => HeadOutputs,
  { image, text }: RecordedEncoders,
): (inputs: ModelInputs) => HeadOutputs {
  return ({ pixels, tokens, tokenMask, ...others }) =>
    head({
      ...others,
      ...(image === undefined ? {} : { image: encode(image, { pixels: pixels as tf.Tensor }) }),
      ...(text === undefined
        ? {}
        : { text: encode(text, { tokens: tokens as tf.Tensor, mask: tokenMask as tf.Tensor }) }),
    });
}
