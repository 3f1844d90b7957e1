import type { ConfigReader } from '../config-reader.js';
import type { BertConfig, BertNames } from '../bert.js';
import { BERT_DEFAULTS, BERT_LAYERS } from './bert.js';

/** Names in files of transformers' models around MPNetModel. */
const NAMES: BertNames = {
  prefix: 'mpnet.',
  ignored: /^(lm_head|classifier|qa_outputs|pooler\.dense)\.|^embeddings\.position_ids$/,
  word: 'embeddings.word_embeddings',
  position: 'embeddings.position_embeddings',
  embeddingNorm: 'embeddings.LayerNorm',
  layers: {
    ...BERT_LAYERS,
    attention: { query: 'attention.attn.q', key: 'attention.attn.k', value: 'attention.attn.v' },
    output: 'attention.attn.o',
    attentionNorm: 'attention.LayerNorm',
  },
  poolerMap: 'pooler.dense',
};

/** The row of padding, whatever the configuration says: `MPNetEmbeddings` of transformers. */
const PADDING = 1;

/** MPNet: BERT with numbers for relative positions; defaults are those of transformers' `MPNetConfig`. */
export function readMpNet(reader: ConfigReader): BertConfig {
  reader.only('relative_attention_num_buckets', 32);
  reader.only('pad_token_id', PADDING);
  const hiddenSize = reader.size('hidden_size', 768);
  const heads = reader.size('num_attention_heads', 12);
  reader.assertHeads('num_attention_heads', heads, 'hidden_size', hiddenSize);
  const positions = reader.size('max_position_embeddings', 512);
  const longest = positions - PADDING - 1;
  return {
    ...BERT_DEFAULTS,
    family: 'mpnet',
    vocabularySize: reader.size('vocab_size', 30527),
    positions,
    countsFromPadding: true,
    longest,
    paddingId: PADDING,
    hiddenSize,
    layers: reader.size('num_hidden_layers', 12),
    heads,
    intermediateSize: reader.size('intermediate_size', 3072),
    activation: reader.activation('hidden_act', 'gelu'),
    normEpsilon: reader.number('layer_norm_eps', 1e-12, 'from 0'),
    relative: { kind: 'bias', buckets: 32, longest },
    pooler: { token: 'first', size: hiddenSize, bias: true },
    initializerRange: reader.number('initializer_range', 0.02, 'from 0'),
    dropout: reader.dropouts(0.1),
    names: NAMES,
  };
}
