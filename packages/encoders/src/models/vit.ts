import * as tf from '@tensorflow/tfjs';
import {
  type ActivationName,
  applyLinear,
  applyNorm,
  applyTransformer,
  dropEmbeddings,
  type DropoutRates,
  type LinearMap,
  type NormParameters,
  type TransformerDesign,
  type TransformerLayers,
  type TransformerOptions,
  transformerOutputs,
  type TransformerOutputs,
} from '@drf/layers';
import {
  assertShape,
  ConfigurationError,
  flattenTree,
  type HostTensor,
  type HostTree,
  type Random,
  type TensorTree,
} from '@drf/tensor';
import { ConfigReader } from './config-reader.js';
import {
  type FileNames,
  hasPooler,
  initializeWeights,
  linearWeights,
  normWeights,
  parametersOf,
  tableWeight,
  tensorsOf,
  type Weight,
} from './weights.js';

const VIT_FAMILIES = ['vit', 'deit'] as const;

/** What a vision transformer's `config.json` says about its function. Sizes in pixels, patches and values. */
export interface VitConfig {
  /** `deit` has a distillation token behind the class token. */
  readonly family: (typeof VIT_FAMILIES)[number];
  readonly imageHeight: number;
  readonly imageWidth: number;
  readonly patchHeight: number;
  readonly patchWidth: number;
  readonly channels: number;
  readonly hiddenSize: number;
  readonly layers: number;
  readonly heads: number;
  readonly intermediateSize: number;
  readonly activation: ActivationName;
  readonly normEpsilon: number;
  /** Whether query, key and value maps have a bias. */
  readonly queryKeyValueBias: boolean;
  readonly poolerSize: number;
  readonly poolerActivation: ActivationName;
  /** Standard deviation of fresh weights. */
  readonly initializerRange: number;
  /** In training. */
  readonly dropout: DropoutRates;
}

/** Tokens before those of the patches. */
export function specialTokens({ family }: VitConfig): number {
  return family === 'deit' ? 2 : 1;
}

/** Patches of an image, from top to bottom and from left to right. */
function patchGrid(config: VitConfig): { readonly rows: number; readonly columns: number } {
  return {
    rows: Math.floor(config.imageHeight / config.patchHeight),
    columns: Math.floor(config.imageWidth / config.patchWidth),
  };
}

/** Length of the token axis. */
export function vitTokens(config: VitConfig): number {
  const { rows, columns } = patchGrid(config);
  return specialTokens(config) + rows * columns;
}

/**
 * Reads the `config.json` of a ViT or DeiT. Defaults are those of transformers' `ViTConfig`.
 * @param json the parsed file
 * @param subject the file's name for errors
 * @throws ConfigurationError for another family of models and for values that cannot be meant, naming the key
 */
export function parseVitConfig(json: unknown, subject: string): VitConfig {
  const reader = new ConfigReader(json, subject);
  const family = reader.family(
    VIT_FAMILIES,
    'an image encoder',
    'choose a ViT or DeiT model; texts have encoders of their own',
  );
  const [imageHeight, imageWidth] = reader.sizePair('image_size', 224);
  const [patchHeight, patchWidth] = reader.sizePair('patch_size', 16);
  const hiddenSize = reader.size('hidden_size', 768);
  const heads = reader.size('num_attention_heads', 12);
  reader.assertHeads('num_attention_heads', heads, 'hidden_size', hiddenSize);
  if (patchHeight > imageHeight || patchWidth > imageWidth) {
    throw new ConfigurationError({
      subject,
      expected: `"patch_size" within "image_size" ${imageHeight} × ${imageWidth}`,
      received: `${patchHeight} × ${patchWidth}`,
    });
  }
  return {
    family,
    imageHeight,
    imageWidth,
    patchHeight,
    patchWidth,
    channels: reader.size('num_channels', 3),
    hiddenSize,
    layers: reader.size('num_hidden_layers', 12),
    heads,
    intermediateSize: reader.size('intermediate_size', 3072),
    activation: reader.activation('hidden_act', 'gelu'),
    normEpsilon: reader.number('layer_norm_eps', 1e-12, 'from 0'),
    queryKeyValueBias: reader.flag('qkv_bias', true),
    poolerSize: reader.size('pooler_output_size', hiddenSize),
    poolerActivation: reader.activation('pooler_act', 'tanh'),
    initializerRange: reader.number('initializer_range', 0.02, 'from 0'),
    dropout: {
      hidden: reader.share('hidden_dropout_prob', 0),
      attention: reader.share('attention_probs_dropout_prob', 0),
    },
  };
}

/** Parts of a vision transformer that not every checkpoint has. */
export interface VitParts {
  readonly pooler?: boolean;
}

function patchKernel(config: VitConfig): Weight {
  const { patchHeight, patchWidth, channels, hiddenSize } = config;
  return {
    name: 'embeddings.patch.kernel',
    fileName: 'embeddings.patch_embeddings.projection.weight',
    shape: [patchHeight * patchWidth * channels, hiddenSize],
    fileShape: [hiddenSize, channels, patchHeight, patchWidth],
    layout: 'patches',
    initial: 'normal',
  };
}

function embeddings(config: VitConfig): Weight[] {
  const { hiddenSize, family } = config;
  const token = (name: string, fileName: string): Weight =>
    tableWeight(name, fileName, [1, hiddenSize], [1, 1, hiddenSize]);
  const [, patchBias] = linearWeights('embeddings.patch', 'embeddings.patch_embeddings.projection', 1, hiddenSize);
  const positions = [vitTokens(config), hiddenSize];
  return [
    patchKernel(config),
    patchBias as Weight,
    token('embeddings.class', 'embeddings.cls_token'),
    ...(family === 'deit' ? [token('embeddings.distillation', 'embeddings.distillation_token')] : []),
    tableWeight('embeddings.position', 'embeddings.position_embeddings', positions, [1, ...positions]),
  ];
}

function layer(config: VitConfig, index: number): Weight[] {
  const { hiddenSize, intermediateSize, queryKeyValueBias } = config;
  const [name, file] = [`layers.${index}`, `encoder.layer.${index}`];
  const attention = (part: string): Weight[] =>
    linearWeights(
      `${name}.attention.${part}`,
      `${file}.attention.attention.${part}`,
      hiddenSize,
      hiddenSize,
      queryKeyValueBias,
    );
  return [
    ...normWeights(`${name}.attentionNorm`, `${file}.layernorm_before`, hiddenSize),
    ...['query', 'key', 'value'].flatMap(attention),
    ...linearWeights(`${name}.attention.output`, `${file}.attention.output.dense`, hiddenSize, hiddenSize),
    ...normWeights(`${name}.mlpNorm`, `${file}.layernorm_after`, hiddenSize),
    ...linearWeights(`${name}.mlp.up`, `${file}.intermediate.dense`, hiddenSize, intermediateSize),
    ...linearWeights(`${name}.mlp.down`, `${file}.output.dense`, intermediateSize, hiddenSize),
  ];
}

/** Every parameter of a vision transformer, with its name in transformers' ViTModel or DeiTModel. */
export function vitWeights(config: VitConfig, { pooler = false }: VitParts = {}): Weight[] {
  return [
    ...embeddings(config),
    ...Array.from({ length: config.layers }, (_, index) => layer(config, index)).flat(),
    ...normWeights('norm', 'layernorm', config.hiddenSize),
    ...(pooler ? linearWeights('pooler', 'pooler.dense', config.hiddenSize, config.poolerSize) : []),
  ];
}

/** Names in files of transformers' models around ViTModel and DeiTModel. */
export function vitFileNames({ family }: VitConfig): FileNames {
  return {
    prefix: family === 'deit' ? 'deit.' : 'vit.',
    // classifiers, DeiT's two of them, masked image modeling's decoder and token, and a pooler that nobody asked for
    ignored: /^(classifier|cls_classifier|distillation_classifier|decoder\.0|pooler\.dense)\.|^embeddings\.mask_token$/,
  };
}

/**
 * Parameters of {@link applyVit} out of the tensors of a Hugging Face checkpoint, with or without `vit.` or `deit.`
 * before their names. The pooler comes along where the checkpoint has one, unless `parts` says otherwise.
 * @param subject the file, as errors name it
 * @throws CheckpointError naming tensors that are missing, of another shape, or unknown
 */
export function vitParameters(
  tensors: ReadonlyMap<string, HostTensor>,
  config: VitConfig,
  subject: string,
  parts: VitParts = {},
): HostTree {
  const names = vitFileNames(config);
  const { pooler = hasPooler(tensors.keys(), names) } = parts;
  return parametersOf(tensors, vitWeights(config, { pooler }), names, subject);
}

/** Parameters under their names in transformers' ViTModel or DeiTModel, for export. Low-rank updates must be merged. */
export function vitTensors(parameters: HostTree, config: VitConfig): ReadonlyMap<string, HostTensor> {
  const pooler = flattenTree(parameters).has('pooler.kernel');
  return tensorsOf(parameters, vitWeights(config, { pooler }), 'vitTensors');
}

/**
 * Fresh parameters of a vision transformer: maps, tokens and positions normal with the configuration's deviation,
 * biases 0, scales 1. A pooler only when asked for.
 */
export function initializeVit(random: Random, config: VitConfig, parts: VitParts = {}): HostTree {
  return initializeWeights(random, vitWeights(config, parts), config.initializerRange);
}

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
 * The lower part of {@link applyVit}: [batch, token, dim] after the embeddings and the layers below `layer`.
 * @throws ShapeMismatchError when the pixels have not the configuration's size
 */
export function lowerVit(
  config: VitConfig,
  parameters: TensorTree,
  pixels: tf.Tensor,
  layer: number,
  options: TransformerOptions = {},
): tf.Tensor {
  const { imageHeight, imageWidth, channels } = config;
  assertShape('applyVit, pixels,', pixels, ['*', imageHeight, imageWidth, channels], 'scale the images to the model');
  const { embeddings, layers } = parameters as VitParameters;
  const embedded = dropEmbeddings(embed(config, embeddings, pixels), options.dropout);
  return applyTransformer(designOf(config), layers, embedded, undefined, options, { until: layer });
}

/** The upper part of {@link applyVit}, from `layer` on: `upperVit(…, lowerVit(…, layer), layer)` is the whole, to the bit. */
export function upperVit(
  config: VitConfig,
  parameters: TensorTree,
  states: tf.Tensor,
  layer: number,
  options: TransformerOptions = {},
): TransformerOutputs {
  const { layers, norm, pooler } = parameters as VitParameters;
  const last = applyTransformer(designOf(config), layers, states, undefined, options, { from: layer });
  return transformerOutputs(applyNorm(norm, last, { epsilon: config.normEpsilon }), pooler, config.poolerActivation);
}

function designOf({ heads, activation, normEpsilon: epsilon }: VitConfig): TransformerDesign {
  return { heads, activation, norm: { epsilon }, normalize: 'before' };
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
  return upperVit(config, parameters, lowerVit(config, parameters, pixels, 0, options), 0, options);
}
