import * as tf from '@tensorflow/tfjs';
import { assertShape, type TensorTree } from '@drf/tensor';
import { applyAttention } from '@drf/layers';
import { applyLinear } from '@drf/layers';
import { applyNorm } from '@drf/layers';
import {
  applyLayers,
  applyMlp,
  attentionDropout,
  dropEmbeddings,
  dropHidden,
  transformerOutputs,
  type Layer,
  type LayerContext,
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

/** Class token, distillation token where there is one, and mapped patches, each with its position: [batch, token, dim] */
function embed(config: VitConfig, parameters: TensorTree, pixels: tf.Tensor): tf.Tensor {
  const { hiddenSize, family } = config;
  const patches = applyLinear(parameters['patch'] as TensorTree, cutPatches(config, pixels)); // → [batch, patch, dim]
  const batch = pixels.shape[0];
  const special = (family === 'deit' ? ['class', 'distillation'] : ['class']).map((name) =>
    tf.tile(tf.reshape(parameters[name] as tf.Tensor, [1, 1, hiddenSize]), [batch, 1, 1]),
  );
  return tf.add(tf.concat([...special, patches], 1), parameters['position'] as tf.Tensor);
}

/** x + attention(norm(x)), then x + mlp(norm(x)) */
function applyLayer(
  config: VitConfig,
  parameters: TensorTree,
  x: tf.Tensor,
  context: LayerContext,
  { lora }: TransformerOptions,
): tf.Tensor {
  const { attention, attentionNorm, mlp, mlpNorm } = parameters as Record<string, TensorTree>;
  const { heads, normEpsilon, activation } = config;
  const normed = applyNorm(attentionNorm as TensorTree, x, normEpsilon);
  const added = applyAttention(attention as TensorTree, normed, { heads, lora, dropout: attentionDropout(context) });
  const attended = tf.add(dropHidden(added, context, 'attention'), x);
  const normedAgain = applyNorm(mlpNorm as TensorTree, attended, normEpsilon);
  return tf.add(dropHidden(applyMlp(mlp as TensorTree, normedAgain, activation, lora), context, 'mlp'), attended);
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
  const embedded = dropEmbeddings(embed(config, parameters['embeddings'] as TensorTree, pixels), options.dropout);
  const layer: Layer = (each, input, context) => applyLayer(config, each, input, context, options);
  const x = applyLayers(parameters['layers'] as TensorTree, config.layers, layer, embedded, undefined, options);
  const states = applyNorm(parameters['norm'] as TensorTree, x, config.normEpsilon);
  return transformerOutputs(states, parameters['pooler'] as TensorTree | undefined, config.poolerActivation);
}
