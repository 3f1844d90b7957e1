import * as tf from '@tensorflow/tfjs';
import {
  type ActivationName,
  applyNorm,
  applyTransformer,
  dropEmbeddings,
  type DropoutRates,
  type LinearMap,
  lookUp,
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
  ShapeMismatchError,
  type TensorTree,
  unflattenTree,
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

/** XLM-RoBERTa and CamemBERT are RoBERTa with another vocabulary; MiniLM models call themselves `bert`. */
const ROBERTA_FAMILIES = ['roberta', 'xlm-roberta', 'camembert'] as const;
const BERT_FAMILIES = ['bert', ...ROBERTA_FAMILIES, 'distilbert'] as const;

/** What the `config.json` of a model of BERT's family says about its function. */
export interface BertConfig {
  /** Decides the names in files, whether there are token types, and how positions count. */
  readonly family: 'bert' | 'roberta' | 'distilbert';
  readonly vocabularySize: number;
  /** Rows of the table of positions. */
  readonly positions: number;
  /** Rows of the table of token types; 0: none. */
  readonly tokenTypes: number;
  /** The id of padding: its row is not trained, and RoBERTa's positions count from it. */
  readonly paddingId: number;
  readonly hiddenSize: number;
  readonly layers: number;
  readonly heads: number;
  readonly intermediateSize: number;
  readonly activation: ActivationName;
  readonly normEpsilon: number;
  /** Standard deviation of fresh weights. */
  readonly initializerRange: number;
  /** In training. */
  readonly dropout: DropoutRates;
}

/** The longest text, in tokens with the special ones, for which there are positions. */
export function longestText({ family, positions, paddingId }: BertConfig): number {
  return family === 'roberta' ? positions - paddingId - 1 : positions;
}

const REMEDY = 'choose a model of the families BERT, RoBERTa or DistilBERT; images have encoders of their own';

/**
 * Reads the `config.json` of a BERT, MiniLM, RoBERTa, XLM-RoBERTa, CamemBERT or DistilBERT. Defaults are those of
 * transformers' configurations.
 * @param json the parsed file
 * @param subject the file's name for errors
 * @throws ConfigurationError for another family of models and for values that cannot be meant, naming the key
 */
export function parseBertConfig(json: unknown, subject: string): BertConfig {
  const reader = new ConfigReader(json, subject);
  const family = reader.family(BERT_FAMILIES, 'a text encoder', REMEDY);
  const config = family === 'distilbert' ? readDistilBert(reader) : readBert(reader, family !== 'bert');
  if (config.paddingId >= config.vocabularySize) {
    throw new ConfigurationError({
      subject,
      expected: `"pad_token_id" below "vocab_size" ${config.vocabularySize}`,
      received: String(config.paddingId),
    });
  }
  if (longestText(config) < 1) {
    throw new ConfigurationError({
      subject,
      expected: `"max_position_embeddings" above ${config.paddingId + 1}, where positions begin`,
      received: String(config.positions),
    });
  }
  return config;
}

function readBert(reader: ConfigReader, roberta: boolean): BertConfig {
  reader.only('position_embedding_type', 'absolute');
  reader.only('is_decoder', false);
  reader.only('add_cross_attention', false);
  const hiddenSize = reader.size('hidden_size', 768);
  const heads = reader.size('num_attention_heads', 12);
  reader.assertHeads('num_attention_heads', heads, 'hidden_size', hiddenSize);
  return {
    family: roberta ? 'roberta' : 'bert',
    vocabularySize: reader.size('vocab_size', roberta ? 50265 : 30522),
    positions: reader.size('max_position_embeddings', 512),
    tokenTypes: reader.size('type_vocab_size', 2),
    paddingId: reader.size('pad_token_id', roberta ? 1 : 0, 0),
    hiddenSize,
    layers: reader.size('num_hidden_layers', 12),
    heads,
    intermediateSize: reader.size('intermediate_size', 3072),
    activation: reader.activation('hidden_act', 'gelu'),
    normEpsilon: reader.number('layer_norm_eps', 1e-12, 'from 0'),
    initializerRange: reader.number('initializer_range', 0.02, 'from 0'),
    dropout: {
      hidden: reader.share('hidden_dropout_prob', 0.1),
      attention: reader.share('attention_probs_dropout_prob', 0.1),
    },
  };
}

function readDistilBert(reader: ConfigReader): BertConfig {
  const hiddenSize = reader.size('dim', 768);
  const heads = reader.size('n_heads', 12);
  reader.assertHeads('n_heads', heads, 'dim', hiddenSize);
  return {
    family: 'distilbert',
    vocabularySize: reader.size('vocab_size', 30522),
    positions: reader.size('max_position_embeddings', 512),
    tokenTypes: 0,
    paddingId: reader.size('pad_token_id', 0, 0),
    hiddenSize,
    layers: reader.size('n_layers', 6),
    heads,
    intermediateSize: reader.size('hidden_dim', 4 * 768),
    activation: reader.activation('activation', 'gelu'),
    normEpsilon: 1e-12, // the reference implementation reads no key for it
    initializerRange: reader.number('initializer_range', 0.02, 'from 0'),
    dropout: { hidden: reader.share('dropout', 0.1), attention: reader.share('attention_dropout', 0.1) },
  };
}

/** Parts of a text encoder that not every checkpoint has. */
export interface BertParts {
  readonly pooler?: boolean;
}

/** Names of a layer's parts in files. */
interface LayerNames {
  readonly layer: string;
  readonly query: string;
  readonly key: string;
  readonly value: string;
  readonly output: string;
  readonly attentionNorm: string;
  readonly up: string;
  readonly down: string;
  readonly mlpNorm: string;
}

const BERT_NAMES: LayerNames = {
  layer: 'encoder.layer',
  query: 'attention.self.query',
  key: 'attention.self.key',
  value: 'attention.self.value',
  output: 'attention.output.dense',
  attentionNorm: 'attention.output.LayerNorm',
  up: 'intermediate.dense',
  down: 'output.dense',
  mlpNorm: 'output.LayerNorm',
};

const DISTILBERT_NAMES: LayerNames = {
  layer: 'transformer.layer',
  query: 'attention.q_lin',
  key: 'attention.k_lin',
  value: 'attention.v_lin',
  output: 'attention.out_lin',
  attentionNorm: 'sa_layer_norm',
  up: 'ffn.lin1',
  down: 'ffn.lin2',
  mlpNorm: 'output_layer_norm',
};

function embeddings({ hiddenSize, vocabularySize, positions, tokenTypes }: BertConfig): Weight[] {
  const table = (name: string, fileName: string, rows: number): Weight =>
    tableWeight(`embeddings.${name}`, `embeddings.${fileName}_embeddings.weight`, [rows, hiddenSize]);
  return [
    table('word', 'word', vocabularySize),
    table('position', 'position', positions),
    ...(tokenTypes > 0 ? [table('tokenType', 'token_type', tokenTypes)] : []),
    ...normWeights('embeddings.norm', 'embeddings.LayerNorm', hiddenSize),
  ];
}

function layer({ hiddenSize, intermediateSize }: BertConfig, names: LayerNames, index: number): Weight[] {
  const [name, file] = [`layers.${index}`, `${names.layer}.${index}`];
  const attention = (part: 'query' | 'key' | 'value' | 'output'): Weight[] =>
    linearWeights(`${name}.attention.${part}`, `${file}.${names[part]}`, hiddenSize, hiddenSize);
  return [
    ...(['query', 'key', 'value', 'output'] as const).flatMap(attention),
    ...normWeights(`${name}.attentionNorm`, `${file}.${names.attentionNorm}`, hiddenSize),
    ...linearWeights(`${name}.mlp.up`, `${file}.${names.up}`, hiddenSize, intermediateSize),
    ...linearWeights(`${name}.mlp.down`, `${file}.${names.down}`, intermediateSize, hiddenSize),
    ...normWeights(`${name}.mlpNorm`, `${file}.${names.mlpNorm}`, hiddenSize),
  ];
}

/** Every parameter of a text encoder, with its name in transformers' BertModel, RobertaModel or DistilBertModel. */
export function bertWeights(config: BertConfig, { pooler = false }: BertParts = {}): Weight[] {
  const names = config.family === 'distilbert' ? DISTILBERT_NAMES : BERT_NAMES;
  return [
    ...embeddings(config),
    ...Array.from({ length: config.layers }, (_, index) => layer(config, names, index)).flat(),
    ...(pooler ? linearWeights('pooler', 'pooler.dense', config.hiddenSize, config.hiddenSize) : []),
  ];
}

const BUFFERS = 'embeddings\\.(position_ids|token_type_ids)$';

/** Names in files of transformers' models around BertModel, RobertaModel and DistilBertModel. */
export function bertFileNames({ family }: BertConfig): FileNames {
  const heads = {
    bert: '(cls|classifier|qa_outputs|pooler\\.dense)\\.',
    roberta: '(lm_head|classifier|qa_outputs|pooler\\.dense)\\.',
    distilbert: '(vocab_transform|vocab_layer_norm|vocab_projector|pre_classifier|classifier|qa_outputs)\\.',
  }[family];
  return { prefix: `${family}.`, ignored: new RegExp(`^${heads}|^${BUFFERS}`) };
}

/**
 * Parameters of {@link applyBert} out of the tensors of a Hugging Face checkpoint, with or without `bert.`, `roberta.`
 * or `distilbert.` before their names, and with old names of norms (`gamma`, `beta`). The pooler comes along where the
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
  const names = bertFileNames(config);
  const { pooler = hasPooler(tensors.keys(), names) } = parts;
  return parametersOf(tensors, bertWeights(config, { pooler }), names, subject);
}

/** Parameters under their names in transformers' models, for export. Low-rank updates must be merged. */
export function bertTensors(parameters: HostTree, config: BertConfig): ReadonlyMap<string, HostTensor> {
  const pooler = flattenTree(parameters).has('pooler.kernel');
  return tensorsOf(parameters, bertWeights(config, { pooler }), 'bertTensors');
}

/**
 * Fresh parameters of a text encoder: maps and tables normal with the configuration's deviation, biases and the row of
 * padding 0, scales 1. A pooler only when asked for.
 */
export function initializeBert(random: Random, config: BertConfig, parts: BertParts = {}): HostTree {
  const leaves = flattenTree(initializeWeights(random, bertWeights(config, parts), config.initializerRange));
  const padded = ['embeddings.word', ...(config.family === 'roberta' ? ['embeddings.position'] : [])];
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
function robertaPositions(ids: tf.Tensor, paddingId: number): tf.Tensor {
  const isToken = tf.cast(tf.notEqual(ids, paddingId), 'int32');
  return tf.add(tf.mul(tf.cumsum(isToken, 1), isToken), tf.scalar(paddingId, 'int32')); // int32 [batch, length]
}

/** [batch, length, dim], or [length, dim] where each text has the same positions */
function embedPositions({ family, paddingId }: BertConfig, table: tf.Tensor, ids: tf.Tensor): tf.Tensor {
  if (family === 'roberta') return lookUp(table, robertaPositions(ids, paddingId), paddingId);
  return tf.slice(table, [0, 0], [ids.shape[1] as number, -1]);
}

/** [batch, length, dim], or [1, dim] where every token is of type 0 */
function embedTypes(table: tf.Tensor, types: tf.Tensor | undefined): tf.Tensor {
  return types === undefined ? tf.slice(table, [0, 0], [1, -1]) : lookUp(table, types);
}

type BertParameters = {
  readonly embeddings: {
    readonly word: tf.Tensor;
    readonly position: tf.Tensor;
    readonly tokenType?: tf.Tensor;
    readonly norm: NormParameters;
  };
  readonly layers: TransformerLayers;
  readonly pooler?: LinearMap;
};

function embed(config: BertConfig, parameters: BertParameters['embeddings'], inputs: BertInputs): tf.Tensor {
  const { word, position, tokenType, norm } = parameters;
  const { ids, tokenTypes } = inputs;
  let sum = lookUp(word, ids, config.paddingId); // → [batch, length, dim]
  if (tokenType !== undefined) sum = tf.add(sum, embedTypes(tokenType, tokenTypes));
  sum = tf.add(sum, embedPositions(config, position, ids));
  return applyNorm(norm, sum, { epsilon: config.normEpsilon });
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
  const { embeddings, layers } = parameters as BertParameters;
  const embedded = dropEmbeddings(embed(config, embeddings, inputs), options.dropout);
  return applyTransformer(designOf(config), layers, embedded, inputs.mask, options, { until: layer });
}

/**
 * The upper part of {@link applyBert}, from `layer` on: `upperBert(…, lowerBert(…, layer), mask, layer)` is the whole, to
 * the bit.
 * @param mask float32 [batch, length]: 1 token, 0 padding
 */
export function upperBert(
  config: BertConfig,
  parameters: TensorTree,
  states: tf.Tensor,
  mask: tf.Tensor,
  layer: number,
  options: TransformerOptions = {},
): TransformerOutputs {
  const { layers, pooler } = parameters as BertParameters;
  const last = applyTransformer(designOf(config), layers, states, mask, options, { from: layer });
  return transformerOutputs(last, pooler, 'tanh');
}

function designOf({ heads, activation, normEpsilon: epsilon, family }: BertConfig): TransformerDesign {
  return { heads, activation, norm: { epsilon }, normalize: 'after', dropsAttended: family !== 'distilbert' };
}

/**
 * The encoder of BERT, RoBERTa or DistilBERT. Computes what `BertModel`, `RobertaModel` and `DistilBertModel` of
 * transformers compute in evaluation mode, and in training with `options.dropout`. What stands in places of padding is
 * finite and means nothing.
 * Source: Devlin et al., "BERT" (NAACL 2019); Liu et al., "RoBERTa" (2019); Sanh et al., "DistilBERT" (2019).
 * @throws ShapeMismatchError for inputs that do not fit each other, or are longer than the model's positions
 */
export function applyBert(
  config: BertConfig,
  parameters: TensorTree,
  inputs: BertInputs,
  options: TransformerOptions = {},
): TransformerOutputs {
  return upperBert(config, parameters, lowerBert(config, parameters, inputs, 0, options), inputs.mask, 0, options);
}
