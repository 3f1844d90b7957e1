import * as tf from '@tensorflow/tfjs';
import {
  type ActivationName,
  applyLinear,
  applyNorm,
  applyTransformer,
  dropEmbeddings,
  type DropoutRates,
  type LinearMap,
  lookUp,
  placesOf,
  type ScaleParameters,
  type SharedScores,
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
  ShapeMismatchError,
  type TensorTree,
  unflattenTree,
} from '@drf/tensor';
import { type LayerNames, type LayerShape, layerWeights } from './layer-weights.js';
import { applyRelative, type RelativeParameters, type RelativePositions, relativeWeights } from './relative.js';
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

/** Where a family's files have what. */
export interface BertNames extends FileNames {
  /** Names of the tables, without `.weight`. */
  readonly word: string;
  readonly position?: string;
  readonly tokenType?: string;
  readonly embeddingNorm?: string;
  readonly layers: LayerNames;
  /** Of the normalization after the last layer, where there is one. */
  readonly norm?: string;
  /** Of the map of the pooled output. */
  readonly poolerMap?: string;
}

/** How a text's pooled output is made: a map of one of its tokens, and an activation. */
export interface TextPooler {
  /** `end`: the first token that closes a text, which has this id; `largest`: the first with the largest id of all. */
  readonly token: 'first' | 'last' | 'largest' | { readonly end: number };
  readonly size: number;
  readonly bias: boolean;
  readonly activation?: ActivationName;
}

/** Rotary embeddings of positions and windows of attention. Every `globalEvery`th layer, from the first on, sees everything. */
export interface LocalAttention {
  readonly globalEvery: number;
  /** How many places away a token of the other layers attends at most. */
  readonly window: number;
  readonly globalBase: number;
  readonly localBase: number;
}

/** What the `config.json` of a text encoder says about its function. */
export interface BertConfig {
  /** `model_type`; of models with two towers that of the text's. RoBERTa's kin are `roberta`. */
  readonly family: string;
  readonly vocabularySize: number;
  /** Rows of the table of positions; 0: none. */
  readonly positions: number;
  /** Whether positions are counted among tokens that are not padding, from behind the padding's id, as in RoBERTa. */
  readonly countsFromPadding: boolean;
  /** The longest text, in tokens with the special ones. */
  readonly longest: number;
  /** Rows of the table of token types; 0: none. */
  readonly tokenTypes: number;
  /** Whether tokenizers of the family say the types of tokens. */
  readonly readsTypes: boolean;
  readonly paddingId: number;
  /** Whether the row of padding is not trained. */
  readonly fixesPadding: boolean;
  /** Every text is padded to the longest, and padding is read like any other token, as by SigLIP. */
  readonly readsPadding: boolean;
  readonly hiddenSize: number;
  readonly layers: number;
  readonly heads: number;
  readonly intermediateSize: number;
  readonly activation: ActivationName;
  readonly normEpsilon: number;
  readonly normalize: TransformerDesign['normalize'];
  readonly dropsAttended: boolean;
  readonly causal: boolean;
  readonly shape: Pick<LayerShape, 'biases' | 'firstIsNormalized'>;
  readonly relative?: RelativePositions;
  readonly local?: LocalAttention;
  readonly pooler?: TextPooler;
  /** How its features are made unless said otherwise. */
  readonly pooling: 'mean' | 'pooler';
  /** Standard deviation of fresh weights. */
  readonly initializerRange: number;
  /** In training. */
  readonly dropout: DropoutRates;
  readonly names: BertNames;
}

/** The longest text, in tokens with the special ones, for which there are positions. */
export function longestText({ longest }: BertConfig): number {
  return longest;
}

/** Parts of a text encoder that not every checkpoint has. */
export interface BertParts {
  readonly pooler?: boolean;
}

function embeddings({ hiddenSize, vocabularySize, positions, tokenTypes, shape, names }: BertConfig): Weight[] {
  const table = (name: string, fileName: string | undefined, rows: number): Weight[] =>
    rows === 0 ? [] : [tableWeight(`embeddings.${name}`, `${fileName}.weight`, [rows, hiddenSize])];
  return [
    ...table('word', names.word, vocabularySize),
    ...table('position', names.position, positions),
    ...table('tokenType', names.tokenType, tokenTypes),
    ...(names.embeddingNorm === undefined
      ? []
      : normWeights('embeddings.norm', names.embeddingNorm, hiddenSize, shape.biases?.norm)),
  ];
}

/** Every parameter of a text encoder, with its name in transformers' model. */
export function bertWeights(config: BertConfig, { pooler = false }: BertParts = {}): Weight[] {
  const { layers, hiddenSize, heads, names, shape, relative, pooler: pooled } = config;
  return [
    ...embeddings(config),
    ...Array.from({ length: layers }, (_, index) => layerWeights({ ...config, ...shape }, names.layers, index)).flat(),
    ...(relative === undefined ? [] : relativeWeights(relative, hiddenSize, heads)),
    ...(names.norm === undefined ? [] : normWeights('norm', names.norm, hiddenSize, shape.biases?.norm)),
    ...(pooler && pooled !== undefined
      ? linearWeights('pooler', names.poolerMap as string, hiddenSize, pooled.size, pooled.bias)
      : []),
  ];
}

/**
 * Parameters of {@link applyBert} out of the tensors of a Hugging Face checkpoint, with or without the prefix of models
 * with a head before their names, and with old names of norms (`gamma`, `beta`). The pooler comes along where the
 * checkpoint has one, unless `parts` says otherwise.
 * @param subject the file, as errors name it
 * @throws CheckpointError naming tensors that are missing, of another shape, or unknown
 */
export function bertParameters(
  tensors: ReadonlyMap<string, HostTensor>,
  config: BertConfig,
  subject: string,
  parts: BertParts = {},
): HostTree {
  const { pooler = hasPooler(tensors.keys(), config.names) } = parts;
  return parametersOf(tensors, bertWeights(config, { pooler }), config.names, subject);
}

/** Parameters under their names in transformers' models, for export. Low-rank updates must be merged. */
export function bertTensors(parameters: HostTree, config: BertConfig): ReadonlyMap<string, HostTensor> {
  const pooler = flattenTree(parameters).has('pooler.kernel');
  return tensorsOf(parameters, bertWeights(config, { pooler }), config.names, 'bertTensors');
}

/**
 * Fresh parameters of a text encoder: maps and tables normal with the configuration's deviation, biases and the row of
 * padding 0, scales 1. A pooler only when asked for.
 */
export function initializeBert(random: Random, config: BertConfig, parts: BertParts = {}): HostTree {
  const leaves = flattenTree(initializeWeights(random, bertWeights(config, parts), config.initializerRange));
  const padded = [
    ...(config.fixesPadding ? ['embeddings.word'] : []),
    ...(config.countsFromPadding ? ['embeddings.position'] : []),
  ];
  for (const name of padded) {
    const table = leaves.get(name)?.data as Float32Array;
    table.fill(0, config.paddingId * config.hiddenSize, (config.paddingId + 1) * config.hiddenSize);
  }
  return unflattenTree(leaves);
}

/** A batch of tokenized texts: int32 numbers of word pieces and what stands where, [batch, token]. */
export type BertInputs = {
  /** int32 [batch, length] */
  readonly ids: tf.Tensor;
  /** float32 [batch, length]: 1 token, 0 padding */
  readonly mask: tf.Tensor;
  /** int32 [batch, length]; zeros where absent */
  readonly tokenTypes?: tf.Tensor;
};

/** RoBERTa counts tokens that are not padding, from behind the padding's id; padding itself has that id. */
function positionsFromPadding(ids: tf.Tensor, paddingId: number): tf.Tensor {
  const isToken = tf.cast(tf.notEqual(ids, paddingId), 'int32');
  return tf.add(tf.mul(tf.cumsum(isToken, 1), isToken), tf.scalar(paddingId, 'int32')); // int32 [batch, length]
}

/** [batch, length, dim], or [length, dim] where each text has the same positions */
function embedPositions({ countsFromPadding, paddingId }: BertConfig, table: tf.Tensor, ids: tf.Tensor): tf.Tensor {
  if (countsFromPadding) return lookUp(table, positionsFromPadding(ids, paddingId), paddingId);
  return tf.slice(table, [0, 0], [ids.shape[1] as number, -1]);
}

/** [batch, length, dim], or [1, dim] where every token is of type 0 */
function embedTypes(table: tf.Tensor, types: tf.Tensor | undefined): tf.Tensor {
  return types === undefined ? tf.slice(table, [0, 0], [1, -1]) : lookUp(table, types);
}

type BertParameters = {
  readonly embeddings: {
    readonly word: tf.Tensor;
    readonly position?: tf.Tensor;
    readonly tokenType?: tf.Tensor;
    readonly norm?: ScaleParameters;
  };
  readonly layers?: TransformerLayers;
  readonly relative?: RelativeParameters;
  readonly norm?: ScaleParameters;
  readonly pooler?: LinearMap;
};

function embed(config: BertConfig, parameters: BertParameters['embeddings'], inputs: BertInputs): tf.Tensor {
  const { word, position, tokenType, norm } = parameters;
  const { ids, tokenTypes } = inputs;
  let sum = lookUp(word, ids, config.fixesPadding ? config.paddingId : undefined); // → [batch, length, dim]
  if (tokenType !== undefined) sum = tf.add(sum, embedTypes(tokenType, tokenTypes));
  if (position !== undefined) sum = tf.add(sum, embedPositions(config, position, ids));
  return norm === undefined ? sum : applyNorm(norm, sum, { epsilon: config.normEpsilon });
}

function assertInputs(config: BertConfig, { ids, mask, tokenTypes }: BertInputs): void {
  assertShape('applyBert, ids,', ids, ['*', '*']);
  assertShape('applyBert, mask,', mask, ids.shape);
  if (tokenTypes !== undefined) assertShape('applyBert, tokenTypes,', tokenTypes, ids.shape);
  const [length, longest] = [ids.shape[1] as number, longestText(config)];
  if (length <= longest) return;
  throw new ShapeMismatchError({
    subject: 'applyBert, ids,',
    expected: `at most ${longest} tokens, for which the model has positions`,
    received: `${length}`,
    remedy: 'cut the texts',
  });
}

function designOf(config: BertConfig): TransformerDesign {
  const {
    heads,
    activation,
    normEpsilon: epsilon,
    normalize,
    dropsAttended,
    causal,
    local,
    relative,
    hiddenSize,
  } = config;
  const isGlobal = (index: number): boolean => local === undefined || index % local.globalEvery === 0;
  const scored = relative?.kind === 'disentangled' ? 1 + Number(relative.toKeys) + Number(relative.toQueries) : 1;
  return {
    heads,
    activation,
    norm: { epsilon },
    normalize,
    dropsAttended,
    causal,
    ...(scored === 1 ? {} : { scale: ((hiddenSize / heads) * scored) ** -0.5 }),
    ...(local === undefined
      ? {}
      : {
          window: (index) => (isGlobal(index) ? undefined : local.window),
          rotaryBase: (index) => (isGlobal(index) ? local.globalBase : local.localBase),
        }),
  };
}

/** The layers of a range, with what they share. */
function applyLayers(
  config: BertConfig,
  { layers = {}, relative }: Partial<BertParameters>,
  states: tf.Tensor,
  mask: tf.Tensor,
  options: TransformerOptions,
  range: { readonly from?: number; readonly until?: number },
): tf.Tensor {
  const shared: SharedScores =
    config.relative === undefined || relative === undefined
      ? {}
      : applyRelative(config.relative, relative, placesOf(mask), config.normEpsilon);
  const seen = config.readsPadding ? undefined : mask;
  return applyTransformer(designOf(config), layers, states, seen, options, { ...range, shared });
}

/** 1 where the pooled token of each text stands, 0 elsewhere: ids int32 [batch, length] → float32, the same */
function pooledPlace(token: TextPooler['token'], ids: tf.Tensor): tf.Tensor {
  const isEnd = typeof token === 'object' ? tf.equal(ids, token.end) : tf.equal(ids, tf.max(ids, 1, true));
  const ends = tf.cast(isEnd, 'float32');
  return tf.mul(ends, tf.cast(tf.equal(tf.cumsum(ends, 1), 1), 'float32'));
}

/** One token of each text: [batch, length, dim] → [batch, dim] */
function pooledToken({ token }: TextPooler, states: tf.Tensor, ids: tf.Tensor): tf.Tensor {
  const [batch, length, dim] = states.shape as [number, number, number];
  if (token === 'first' || token === 'last') {
    return tf.reshape(tf.slice(states, [0, token === 'first' ? 0 : length - 1, 0], [batch, 1, dim]), [batch, dim]);
  }
  return tf.sum(tf.mul(states, tf.expandDims(pooledPlace(token, ids), 2)), 1);
}

/**
 * The lower part of {@link applyBert}: [batch, token, dim] after the embeddings and the layers below `layer`.
 * @throws ShapeMismatchError for inputs that do not fit each other, or are longer than the model's positions
 */
export function lowerBert(
  config: BertConfig,
  parameters: TensorTree,
  inputs: BertInputs,
  layer: number,
  options: TransformerOptions = {},
): tf.Tensor {
  assertInputs(config, inputs);
  const given = parameters as BertParameters;
  const embedded = dropEmbeddings(embed(config, given.embeddings, inputs), options.dropout);
  return applyLayers(config, given, embedded, inputs.mask, options, { until: layer });
}

/**
 * The upper part of {@link applyBert}, from `layer` on: `upperBert(…, lowerBert(…, layer), inputs, layer)` is the whole,
 * to the bit.
 */
export function upperBert(
  config: BertConfig,
  parameters: TensorTree,
  states: tf.Tensor,
  { ids, mask }: Pick<BertInputs, 'ids' | 'mask'>,
  layer: number,
  options: TransformerOptions = {},
): TransformerOutputs {
  const given = parameters as BertParameters;
  const { norm, pooler } = given;
  const last = applyLayers(config, given, states, mask, options, { from: layer });
  const tokens = norm === undefined ? last : applyNorm(norm, last, { epsilon: config.normEpsilon });
  const pooled = config.pooler;
  if (pooled === undefined || pooled.token === 'first') return transformerOutputs(tokens, pooler, 'tanh');
  const one = pooledToken(pooled, tokens, ids);
  return {
    tokens: named(tokens, ['batch', 'token', 'dim']),
    pooled: named(pooler === undefined ? one : applyLinear(pooler, one), ['batch', 'dim']),
  };
}

/**
 * An encoder of texts: BERT, RoBERTa, DistilBERT, MPNet, DeBERTa v2 and v3, ModernBERT, and the text towers of CLIP and
 * SigLIP. Computes what `BertModel`, `RobertaModel`, `DistilBertModel`, `MPNetModel`, `DebertaV2Model`,
 * `ModernBertModel`, `CLIPTextModelWithProjection` and `SiglipTextModel` of transformers compute in evaluation mode, and in
 * training with `options.dropout` (DeBERTa's embeddings of relative positions drop nothing). What stands in places of
 * padding is finite and means nothing.
 * Source: Devlin et al., "BERT" (NAACL 2019); Liu et al., "RoBERTa" (2019); Sanh et al., "DistilBERT" (2019); Song et al.,
 * "MPNet" (NeurIPS 2020); He et al., "DeBERTa" (ICLR 2021) and "DeBERTaV3" (ICLR 2023); Warner et al., "Smarter, better,
 * faster, longer" (ACL 2025); Radford et al. (ICML 2021); Zhai et al. (ICCV 2023).
 * @throws ShapeMismatchError for inputs that do not fit each other, or are longer than the model's positions
 */
export function applyBert(
  config: BertConfig,
  parameters: TensorTree,
  inputs: BertInputs,
  options: TransformerOptions = {},
): TransformerOutputs {
  return upperBert(config, parameters, lowerBert(config, parameters, inputs, 0, options), inputs, 0, options);
}
