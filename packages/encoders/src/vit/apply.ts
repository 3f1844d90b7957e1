import * as tf from '@tensorflow/tfjs';
import { assertShape, type TensorTree } from '@drf/tensor';
import {
  applyLinear,
  applyNorm,
  applyTransformer,
  dropEmbeddings,
  transformerOutputs,
  type LinearMap,
  type NormParameters,
  type TransformerLayers,
  type TransformerOptions,
  type TransformerOutputs,
} from '@drf/layers';
import { patchGrid, type VitConfig } from './config.js';

/** [batch, height, width, channel] → [batch, patch, y · x · channel]; what is left over at the edges is cut off. */
function cutPatches(config: VitConfig, pixels: tf.Tensor): tf.Tensor {
  const { patchHeight, patchWidth, channels } = config;
  const { rows, columns } = patchGrid(config);
  const batch = pixels.shape[0];
  const [height, width] = [rows * patchHeight, columns * patchWidth];
  const isWhole = pixels.shape[1] === height && pixels.shape[2] === width;
  const whole = isWhole ? pixels : tf.slice(pixels, [0, 0, 0, 0], [batch, height, width, channels]);
  const cut = tf.reshape(whole, [batch, rows, patchHeight, columns, patchWidth, channels]);
  const patches = tf.transpose(cut, [0, 1, 3, 2, 4, 5]); // → [batch, row, column, y, x, channel]
  return tf.reshape(patches, [batch, rows * columns, patchHeight * patchWidth * channels]);
}

type VitParameters = {
  readonly embeddings: {
    readonly patch: LinearMap;
    readonly class: tf.Tensor;
    readonly distillation?: tf.Tensor;
    readonly position: tf.Tensor;
  };
  readonly layers: TransformerLayers;
  readonly norm: NormParameters;
  readonly pooler?: LinearMap;
};

/** Class token, distillation token where there is one, and mapped patches, each with its position: [batch, token, dim] */
function embed(config: VitConfig, parameters: VitParameters['embeddings'], pixels: tf.Tensor): tf.Tensor {
  const { hiddenSize, family } = config;
  const patches = applyLinear(parameters.patch, cutPatches(config, pixels)); // → [batch, patch, dim]
  const batch = pixels.shape[0];
  const special = (family === 'deit' ? (['class', 'distillation'] as const) : (['class'] as const)).map((name) =>
    tf.tile(tf.reshape(parameters[name] as tf.Tensor, [1, 1, hiddenSize]), [batch, 1, 1]),
  );
  return tf.add(tf.concat([...special, patches], 1), parameters.position);
}

/**
 * A vision transformer up to its last normalization. Tokens: the class token, DeiT's distillation token, then the
 * patches row by row. Computes what `ViTModel` and `DeiTModel` of transformers compute in evaluation mode, and in training
 * with `options.dropout`.
 * Source: Dosovitskiy et al., "An image is worth 16x16 words" (ICLR 2021); Touvron et al., "Training data-efficient
 * image transformers" (ICML 2021).
 * @param pixels float32 [batch, height, width, channel], normalized as the model's preprocessor says
 * @throws ShapeMismatchError when the pixels have not the configuration's size
 */
export function applyVit(
  config: VitConfig,
  parameters: TensorTree,
  pixels: tf.Tensor,
  options: TransformerOptions = {},
): TransformerOutputs {
  const { imageHeight, imageWidth, channels } = config;
  assertShape('applyVit, pixels,', pixels, ['*', imageHeight, imageWidth, channels], 'scale the images to the model');
  const { embeddings, layers, norm, pooler } = parameters as VitParameters;
  const { heads, activation, normEpsilon: epsilon } = config;
  const design = { heads, activation, norm: { epsilon }, normalize: 'before' } as const;
  const embedded = dropEmbeddings(embed(config, embeddings, pixels), options.dropout);
  const states = applyTransformer(design, layers, embedded, undefined, options);
  return transformerOutputs(applyNorm(norm, states, { epsilon }), pooler, config.poolerActivation);
}
