import { ConfigurationError } from '@drf/tensor';
import type { ConfigReader } from '../config-reader.js';
import type { BertConfig, BertNames } from '../bert.js';

/** Names of BERT's layers, which its descendants share. */
export const BERT_LAYERS = {
  layer: 'encoder.layer',
  attention: { query: 'attention.self.query', key: 'attention.self.key', value: 'attention.self.value' },
  output: 'attention.output.dense',
  attentionNorm: 'attention.output.LayerNorm',
  up: 'intermediate.dense',
  down: 'output.dense',
  mlpNorm: 'output.LayerNorm',
} as const;

const BERT_EMBEDDINGS = {
  word: 'embeddings.word_embeddings',
  position: 'embeddings.position_embeddings',
  tokenType: 'embeddings.token_type_embeddings',
  embeddingNorm: 'embeddings.LayerNorm',
} as const;

/** Names in files of transformers' models around BertModel, RobertaModel and DistilBertModel. */
const NAMES: Readonly<Record<'bert' | 'roberta' | 'distilbert', BertNames>> = {
  bert: {
    prefix: 'bert.',
    ignored: /^(cls|classifier|qa_outputs|pooler\.dense)\.|^embeddings\.(position_ids|token_type_ids)$/,
    ...BERT_EMBEDDINGS,
    layers: BERT_LAYERS,
    poolerMap: 'pooler.dense',
  },
  roberta: {
    prefix: 'roberta.',
    ignored: /^(lm_head|classifier|qa_outputs|pooler\.dense)\.|^embeddings\.(position_ids|token_type_ids)$/,
    ...BERT_EMBEDDINGS,
    layers: BERT_LAYERS,
    poolerMap: 'pooler.dense',
  },
  distilbert: {
    prefix: 'distilbert.',
    ignored:
      /^(vocab_transform|vocab_layer_norm|vocab_projector|pre_classifier|classifier|qa_outputs)\.|^embeddings\.(position_ids|token_type_ids)$/,
    ...BERT_EMBEDDINGS,
    layers: {
      layer: 'transformer.layer',
      attention: { query: 'attention.q_lin', key: 'attention.k_lin', value: 'attention.v_lin' },
      output: 'attention.out_lin',
      attentionNorm: 'sa_layer_norm',
      up: 'ffn.lin1',
      down: 'ffn.lin2',
      mlpNorm: 'output_layer_norm',
    },
    poolerMap: 'pooler.dense',
  },
};

/** What texts of BERT's kind have in common; families differ in the rest. */
export const BERT_DEFAULTS = {
  countsFromPadding: false,
  tokenTypes: 0,
  readsTypes: false,
  fixesPadding: true,
  readsPadding: false,
  normalize: 'after',
  dropsAttended: true,
  causal: false,
  shape: {},
  pooling: 'mean',
} as const;

/** @throws ConfigurationError when padding has no row */
export function assertPadding({ subject }: ConfigReader, { paddingId, vocabularySize }: BertConfig): void {
  if (paddingId < vocabularySize) return;
  throw new ConfigurationError({
    subject,
    expected: `"pad_token_id" below "vocab_size" ${vocabularySize}`,
    received: String(paddingId),
  });
}

/** @throws ConfigurationError when no text has positions */
export function assertPositions({ subject }: ConfigReader, { longest, paddingId, positions }: BertConfig): void {
  if (longest >= 1) return;
  throw new ConfigurationError({
    subject,
    expected: `"max_position_embeddings" above ${paddingId + 1}, where positions begin`,
    received: String(positions),
  });
}

/** BERT, and RoBERTa's kin. Defaults are those of transformers' configurations. */
export function readBert(reader: ConfigReader, family: 'bert' | 'roberta'): BertConfig {
  reader.only('position_embedding_type', 'absolute');
  reader.only('is_decoder', false);
  reader.only('add_cross_attention', false);
  const isRoberta = family === 'roberta';
  const hiddenSize = reader.size('hidden_size', 768);
  const heads = reader.size('num_attention_heads', 12);
  reader.assertHeads('num_attention_heads', heads, 'hidden_size', hiddenSize);
  const positions = reader.size('max_position_embeddings', 512);
  const paddingId = reader.size('pad_token_id', isRoberta ? 1 : 0, 0);
  const tokenTypes = reader.size('type_vocab_size', 2);
  return {
    ...BERT_DEFAULTS,
    family,
    vocabularySize: reader.size('vocab_size', isRoberta ? 50265 : 30522),
    positions,
    countsFromPadding: isRoberta,
    longest: isRoberta ? positions - paddingId - 1 : positions,
    tokenTypes,
    readsTypes: !isRoberta && tokenTypes > 1,
    paddingId,
    hiddenSize,
    layers: reader.size('num_hidden_layers', 12),
    heads,
    intermediateSize: reader.size('intermediate_size', 3072),
    activation: reader.activation('hidden_act', 'gelu'),
    normEpsilon: reader.number('layer_norm_eps', 1e-12, 'from 0'),
    pooler: { token: 'first', size: hiddenSize, bias: true },
    initializerRange: reader.number('initializer_range', 0.02, 'from 0'),
    dropout: reader.dropouts(0.1),
    names: NAMES[family],
  };
}

export function readDistilBert(reader: ConfigReader): BertConfig {
  const hiddenSize = reader.size('dim', 768);
  const heads = reader.size('n_heads', 12);
  reader.assertHeads('n_heads', heads, 'dim', hiddenSize);
  const positions = reader.size('max_position_embeddings', 512);
  return {
    ...BERT_DEFAULTS,
    family: 'distilbert',
    vocabularySize: reader.size('vocab_size', 30522),
    positions,
    longest: positions,
    paddingId: reader.size('pad_token_id', 0, 0),
    hiddenSize,
    layers: reader.size('n_layers', 6),
    heads,
    intermediateSize: reader.size('hidden_dim', 4 * 768),
    activation: reader.activation('activation', 'gelu'),
    normEpsilon: 1e-12, // the reference implementation reads no key for it
    dropsAttended: false,
    initializerRange: reader.number('initializer_range', 0.02, 'from 0'),
    dropout: { hidden: reader.share('dropout', 0.1), attention: reader.share('attention_dropout', 0.1) },
    names: NAMES.distilbert,
  };
}
