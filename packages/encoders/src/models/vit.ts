import * as tf from '@tensorflow/tfjs';
import {
  activate,
  type ActivationName,
  applyAttention,
  applyLinear,
  applyNorm,
  applyTransformer,
  type AttentionParameters,
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
  flattenTree,
  type HostTensor,
  type HostTree,
  named,
  type Random,
  type TensorTree,
  unflattenTree,
} from '@drf/tensor';
import { type LayerNames, layerWeights } from './layer-weights.js';
import { type ResizeFilter, resizeMap } from './resize-map.js';
import {
  type FileNames,
  hasPooler,
  initializeWeights,
  joinedLinearWeights,
  linearWeights,
  normWeights,
  parametersOf,
  tableWeight,
  tensorsOf,
  type Weight,
} from './weights.js';

/**
 * How a vision transformer sums up an image beside its tokens. `dense`: a map of the first token and an activation;
 * `projection`: the first token normalized, and a map where the files have one; `attention`: attention of one learned
 * query, and a network.
 */
export type VitPooler =
  | { readonly kind: 'none' }
  | { readonly kind: 'dense'; readonly size: number; readonly activation: ActivationName }
  | { readonly kind: 'projection'; readonly size: number }
  | { readonly kind: 'attention' };

/** Where a family's files have what. */
export interface VitNames extends FileNames {
  readonly patch: string;
  /** Names of whole tensors. */
  readonly class?: string;
  readonly position: string;
  readonly embeddingNorm?: string;
  readonly layers: LayerNames;
  readonly norm: string;
  readonly projection?: string;
}

/** What a vision transformer's `config.json` says about its function. Sizes in pixels, patches and values. */
export interface VitConfig {
  /** `model_type`; of models with two towers that of the image's. */
  readonly family: string;
  /** The size that images have; tables of positions are made for it. */
  readonly imageHeight: number;
  readonly imageWidth: number;
  readonly patchHeight: number;
  readonly patchWidth: number;
  readonly channels: number;
  /** Tokens before those of the patches. Registers have no position. */
  readonly specialTokens: { readonly class: boolean; readonly distillation: boolean; readonly registers: number };
  readonly hiddenSize: number;
  readonly layers: number;
  readonly heads: number;
  readonly intermediateSize: number;
  readonly activation: ActivationName;
  readonly normEpsilon: number;
  /** Whether query, key and value maps have a bias. */
  readonly queryKeyValueBias: boolean;
  readonly patchBias: boolean;
  readonly pooler: VitPooler;
  /** How its features are made unless said otherwise. */
  readonly pooling: 'cls' | 'pooler';
  /** Images have the size that the preprocessing gives them; else the configuration's, unless an option says another. */
  readonly takesAnySize: boolean;
  /** How positions are scaled to another size. */
  readonly positionFilter: ResizeFilter;
  /** Standard deviation of fresh weights. */
  readonly initializerRange: number;
  /** In training. */
  readonly dropout: DropoutRates;
  readonly names: VitNames;
}

/** Tokens before those of the patches. */
export function specialTokens(config: VitConfig): number {
  return positionedTokens(config) + config.specialTokens.registers;
}

/** Those of them that have a position. */
function positionedTokens({ specialTokens: { class: hasClass, distillation } }: VitConfig): number {
  return Number(hasClass) + Number(distillation);
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

/** Parts of a vision transformer that not every checkpoint has. */
export interface VitParts {
  readonly pooler?: boolean;
}

function patchKernel(config: VitConfig): Weight {
  const { patchHeight, patchWidth, channels, hiddenSize, names } = config;
  return {
    name: 'embeddings.patch.kernel',
    fileName: `${names.patch}.weight`,
    shape: [patchHeight * patchWidth * channels, hiddenSize],
    fileShape: [hiddenSize, channels, patchHeight, patchWidth],
    layout: 'patches',
    initial: 'normal',
  };
}

function embeddings(config: VitConfig): Weight[] {
  const { hiddenSize, patchBias, specialTokens: special, names } = config;
  const { rows, columns } = patchGrid(config);
  const isVector = names.class?.endsWith('embedding') === true; // CLIP's class token is no table
  const token = (name: string, fileName: string, count = 1): Weight =>
    tableWeight(name, fileName, [count, hiddenSize], isVector ? [hiddenSize] : [1, count, hiddenSize]);
  const [, bias] = linearWeights('embeddings.patch', names.patch, 1, hiddenSize);
  const positions = [positionedTokens(config) + rows * columns, hiddenSize];
  const isTable = names.position.endsWith('.weight');
  return [
    patchKernel(config),
    ...(patchBias ? [bias as Weight] : []),
    ...(special.class ? [token('embeddings.class', names.class as string)] : []),
    ...(special.distillation ? [token('embeddings.distillation', 'embeddings.distillation_token')] : []),
    ...(special.registers > 0 ? [token('embeddings.registers', 'embeddings.register_tokens', special.registers)] : []),
    tableWeight('embeddings.position', names.position, positions, isTable ? positions : [1, ...positions]),
    ...(names.embeddingNorm === undefined ? [] : normWeights('embeddings.norm', names.embeddingNorm, hiddenSize)),
  ];
}

function poolerWeights({ pooler, names, hiddenSize, intermediateSize }: VitConfig, isWanted: boolean): Weight[] {
  if (pooler.kind === 'projection') {
    return [
      ...normWeights('pooler.norm', names.norm, hiddenSize),
      ...(isWanted
        ? linearWeights('pooler.projection', names.projection as string, hiddenSize, pooler.size, false)
        : []),
    ];
  }
  if (!isWanted || pooler.kind === 'none') return [];
  if (pooler.kind === 'dense') return linearWeights('pooler', 'pooler.dense', hiddenSize, pooler.size);
  const attention = 'head.attention';
  return [
    tableWeight('pooler.probe', 'head.probe', [1, hiddenSize], [1, 1, hiddenSize]),
    ...joinedLinearWeights(
      ['query', 'key', 'value'].map((part) => `pooler.attention.${part}`),
      [`${attention}.in_proj_weight`, `${attention}.in_proj_bias`],
      hiddenSize,
      hiddenSize,
    ),
    ...linearWeights('pooler.attention.output', `${attention}.out_proj`, hiddenSize, hiddenSize),
    ...normWeights('pooler.norm', 'head.layernorm', hiddenSize),
    ...linearWeights('pooler.mlp.up', 'head.mlp.fc1', hiddenSize, intermediateSize),
    ...linearWeights('pooler.mlp.down', 'head.mlp.fc2', intermediateSize, hiddenSize),
  ];
}

/** Every parameter of a vision transformer, with its name in transformers' model. */
export function vitWeights(config: VitConfig, { pooler = false }: VitParts = {}): Weight[] {
  const { layers, names, hiddenSize, queryKeyValueBias } = config;
  const shape = { ...config, biases: { queryKeyValue: queryKeyValueBias } };
  return [
    ...embeddings(config),
    ...Array.from({ length: layers }, (_, index) => layerWeights(shape, names.layers, index)).flat(),
    ...(config.pooler.kind === 'projection' ? [] : normWeights('norm', names.norm, hiddenSize)),
    ...poolerWeights(config, pooler),
  ];
}

/**
 * Parameters of {@link applyVit} out of the tensors of a Hugging Face checkpoint, with or without the prefix of models
 * with a head before their names. The pooler comes along where the checkpoint has one, unless `parts` says otherwise.
 * @param subject the file, as errors name it
 * @throws CheckpointError naming tensors that are missing, of another shape, or unknown
 */
export function vitParameters(
  tensors: ReadonlyMap<string, HostTensor>,
  config: VitConfig,
  subject: string,
  parts: VitParts = {},
): HostTree {
  const { pooler = hasPooler(tensors.keys(), config.names) } = parts;
  return parametersOf(tensors, vitWeights(config, { pooler }), config.names, subject);
}

/** Whether parameters have what {@link VitParts} calls the pooler. */
function partsOf(parameters: HostTree): Required<VitParts> {
  return { pooler: [...flattenTree(parameters).keys()].some((name) => /^pooler\.(?!norm\.)/.test(name)) };
}

/** Parameters under their names in transformers' model, for export. Low-rank updates must be merged. */
export function vitTensors(parameters: HostTree, config: VitConfig): ReadonlyMap<string, HostTensor> {
  return tensorsOf(parameters, vitWeights(config, partsOf(parameters)), config.names, 'vitTensors');
}

/**
 * Fresh parameters of a vision transformer: maps, tokens and positions normal with the configuration's deviation,
 * biases 0, scales 1. A pooler only when asked for.
 */
export function initializeVit(random: Random, config: VitConfig, parts: VitParts = {}): HostTree {
  return initializeWeights(random, vitWeights(config, parts), config.initializerRange);
}

/**
 * The same model for images of another size: its configuration, and its parameters with the positions scaled as
 * transformers does (`interpolate_pos_encoding`). Positions of special tokens stay.
 */
export function resizeVit(
  config: VitConfig,
  parameters: HostTree,
  imageHeight: number,
  imageWidth: number,
): { readonly config: VitConfig; readonly parameters: HostTree } {
  const resized = { ...config, imageHeight, imageWidth };
  const [from, to] = [patchGrid(config), patchGrid(resized)];
  if (from.rows === to.rows && from.columns === to.columns) return { config: resized, parameters };
  const leaves = flattenTree<HostTensor>(parameters);
  const table = leaves.get('embeddings.position') as HostTensor;
  const position = resizeMap(table, positionedTokens(config), from, to, config.positionFilter);
  return { config: resized, parameters: unflattenTree(leaves.set('embeddings.position', position)) };
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
    readonly class?: tf.Tensor;
    readonly distillation?: tf.Tensor;
    readonly registers?: tf.Tensor;
    readonly position: tf.Tensor;
    readonly norm?: NormParameters;
  };
  readonly layers: TransformerLayers;
  readonly norm?: NormParameters;
  readonly pooler?: LinearMap | ProjectionParameters | AttentionPoolerParameters;
};

/** Special tokens and mapped patches, each with its position: [batch, token, dim] */
function embed(config: VitConfig, parameters: VitParameters['embeddings'], pixels: tf.Tensor): tf.Tensor {
  const { hiddenSize, normEpsilon: epsilon } = config;
  const patches = applyLinear(parameters.patch, cutPatches(config, pixels)); // → [batch, patch, dim]
  const batch = pixels.shape[0];
  const everywhere = (tokens: tf.Tensor): tf.Tensor =>
    tf.tile(tf.reshape(tokens, [1, tokens.size / hiddenSize, hiddenSize]), [batch, 1, 1]);
  const special = [parameters.class, parameters.distillation].flatMap((token) =>
    token === undefined ? [] : [everywhere(token)],
  );
  const joined = special.length === 0 ? patches : tf.concat([...special, patches], 1);
  const placed = tf.add(joined, parameters.position);
  const all =
    parameters.registers === undefined
      ? placed
      : tf.concat(
          [
            tf.slice(placed, [0, 0, 0], [batch, special.length, hiddenSize]),
            everywhere(parameters.registers),
            tf.slice(placed, [0, special.length, 0], [batch, -1, hiddenSize]),
          ],
          1,
        );
  return parameters.norm === undefined ? all : applyNorm(parameters.norm, all, { epsilon });
}

function designOf({ heads, activation, normEpsilon: epsilon }: VitConfig): TransformerDesign {
  return { heads, activation, norm: { epsilon }, normalize: 'before' };
}

type ProjectionParameters = { readonly norm: NormParameters; readonly projection?: LinearMap };

/** CLIP's: W·norm(first), [batch, token, dim] → [batch, size] */
function project({ norm, projection }: ProjectionParameters, states: tf.Tensor, epsilon: number): tf.Tensor {
  const [batch, , dim] = states.shape as [number, number, number];
  const first = tf.reshape(tf.slice(states, [0, 0, 0], [batch, 1, dim]), [batch, dim]);
  const normalized = applyNorm(norm, first, { epsilon });
  return projection === undefined ? normalized : applyLinear(projection, normalized);
}

type AttentionPoolerParameters = {
  readonly probe: tf.Tensor;
  readonly attention: AttentionParameters;
  readonly norm: NormParameters;
  readonly mlp: { readonly up: LinearMap; readonly down: LinearMap };
};

/**
 * SigLIP's: a learned query attends to all tokens, [batch, token, dim] → [batch, dim].
 * Source: Zhai et al., "Scaling vision transformers" (CVPR 2022), MAP head.
 */
function attendByProbe(
  { probe, attention, norm, mlp }: AttentionPoolerParameters,
  states: tf.Tensor,
  { heads, activation, normEpsilon: epsilon }: VitConfig,
): tf.Tensor {
  const [batch, , dim] = states.shape as [number, number, number];
  const queries = tf.tile(tf.reshape(probe, [1, 1, dim]), [batch, 1, 1]);
  const answered = applyAttention(attention, queries, states, { heads }); // [batch, 1, dim]
  const hidden = activate(activation, applyLinear(mlp.up, applyNorm(norm, answered, { epsilon })));
  return tf.reshape(tf.add(answered, applyLinear(mlp.down, hidden)), [batch, dim]);
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
  const { embeddings, layers = {} } = parameters as Pick<VitParameters, 'embeddings'> & Partial<VitParameters>;
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
  const { layers = {}, norm, pooler } = parameters as Partial<VitParameters>;
  const epsilon = config.normEpsilon;
  const last = applyTransformer(designOf(config), layers, states, undefined, options, { from: layer });
  const tokens = norm === undefined ? last : applyNorm(norm, last, { epsilon });
  const { kind } = config.pooler;
  if (pooler === undefined || kind === 'none' || kind === 'dense') {
    const activation = kind === 'dense' ? config.pooler.activation : 'tanh';
    return transformerOutputs(tokens, pooler as LinearMap | undefined, activation);
  }
  const pooled =
    kind === 'projection'
      ? project(pooler as ProjectionParameters, tokens, epsilon)
      : attendByProbe(pooler as AttentionPoolerParameters, tokens, config);
  return { tokens: named(tokens, ['batch', 'token', 'dim']), pooled: named(pooled, ['batch', 'dim']) };
}

/**
 * A vision transformer up to its last normalization. Tokens: the class token, DeiT's distillation token, registers, as
 * far as the family has them, then the patches row by row; CLIP's are not normalized. Computes what `ViTModel`,
 * `DeiTModel`, `Dinov2Model`, `Dinov2WithRegistersModel`, `CLIPVisionModelWithProjection` and `SiglipVisionModel` of
 * transformers compute in evaluation mode, and in training with `options.dropout`.
 * Source: Dosovitskiy et al., "An image is worth 16x16 words" (ICLR 2021); Touvron et al., "Training data-efficient
 * image transformers" (ICML 2021); Oquab et al., "DINOv2" (2023); Darcet et al., "Vision transformers need registers"
 * (ICLR 2024); Radford et al., "Learning transferable visual models from natural language supervision" (ICML 2021); Zhai
 * et al., "Sigmoid loss for language image pre-training" (ICCV 2023).
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
