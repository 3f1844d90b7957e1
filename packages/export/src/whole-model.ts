import type * as tf from '@tensorflow/tfjs';
import type { BatchInputs } from '@drf/model';
import { mapTree, toTensor, type TensorTree } from '@drf/tensor';
import type { HeadOutputs } from './head.js';
import type { RecordedEncoder, RecordedEncoders } from './recorded-encoders.js';

/** Inputs by name: pixels and token ids where an encoder is part of the model, features where not. */
export type ModelInputs = { readonly [name: string]: tf.Tensor };

function encode({ apply }: RecordedEncoder, inputs: TensorTree): tf.Tensor {
  return apply.compute(mapTree(apply.parameters, toTensor), inputs)['features'] as tf.Tensor;
}

/** Encoders and head as one function: [batch, …] of raw inputs to everything that the head says. */
export function wholeModel(
  head: (batch: BatchInputs) => HeadOutputs,
  { image, text }: RecordedEncoders,
): (inputs: ModelInputs) => HeadOutputs {
  return (inputs) => {
    const { pixels, tokens, tokenMask, imageAvailable, textAvailable } = inputs;
    const features = {
      image: image === undefined ? inputs['image'] : encode(image, { pixels: pixels as tf.Tensor }),
      text:
        text === undefined
          ? inputs['text']
          : encode(text, { tokens: tokens as tf.Tensor, mask: tokenMask as tf.Tensor }),
    };
    return head({ ...features, imageAvailable, textAvailable } as BatchInputs);
  };
}
