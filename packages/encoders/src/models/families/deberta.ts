import type { ConfigReader } from '../config-reader.js';
import type { BertConfig, BertNames } from '../bert.js';
import { BERT_DEFAULTS, BERT_LAYERS } from './bert.js';

/** Names in files of transformers' models around DebertaV2Model. */
function namesOf(hasPositions: boolean, hasTypes: boolean, places: { key?: string; query?: string }): BertNames {
  return {
    prefix: 'deberta.',
    // heads of masked and replaced words, classifiers, and position tables that "position_biased_input": false leaves unread
    ignored:
      /^(cls|lm_predictions|mask_predictions|classifier|qa_outputs|pooler\.dense|lm_head)\.|^embeddings\.position_ids$|^embeddings\.position_embeddings\.weight$/,
    word: 'embeddings.word_embeddings',
    ...(hasPositions ? { position: 'embeddings.position_embeddings' } : {}),
    ...(hasTypes ? { tokenType: 'embeddings.token_type_embeddings' } : {}),
    embeddingNorm: 'embeddings.LayerNorm',
    layers: {
      ...BERT_LAYERS,
      attention: {
        query: 'attention.self.query_proj',
        key: 'attention.self.key_proj',
        value: 'attention.self.value_proj',
      },
      places,
    },
  };
}

/** Which of "c2p" and "p2c" a configuration names, in a list or parted by `|`. */
function attentionTypes(reader: ConfigReader): readonly string[] {
  const given = reader.raw('pos_att_type') ?? [];
  const types = typeof given === 'string' ? given.toLowerCase().split('|') : given;
  const fits = Array.isArray(types) && types.every((each) => ['c2p', 'p2c'].includes(String(each).trim()));
  if (fits) return types.map((each) => String(each).trim());
  throw reader.wrong('pos_att_type', '"c2p" and "p2c", either of them, or none');
}

/** DeBERTa v2 or v3; defaults are those of transformers' `DebertaV2Config`. */
export function readDeberta(reader: ConfigReader): BertConfig {
  reader.only('conv_kernel_size', 0); // the convolution beside the first layer of the largest v2 models
  reader.only('legacy', true, false); // of heads
  const hiddenSize = reader.size('hidden_size', 1536);
  const heads = reader.size('num_attention_heads', 24);
  reader.assertHeads('num_attention_heads', heads, 'hidden_size', hiddenSize);
  reader.only('embedding_size', hiddenSize);
  reader.only('attention_head_size', hiddenSize / heads);
  const positions = reader.size('max_position_embeddings', 512);
  const hasPositions = reader.flag('position_biased_input', true);
  const tokenTypes = reader.size('type_vocab_size', 0, 0);
  const isRelative = reader.flag('relative_attention', false);
  const types = isRelative ? attentionTypes(reader) : [];
  const [toKeys, toQueries] = [types.includes('c2p'), types.includes('p2c')];
  const shares = reader.flag('share_att_key', false);
  const furthest = reader.raw('max_relative_positions');
  const greatest = typeof furthest === 'number' && furthest >= 1 ? reader.size('max_relative_positions', 1) : positions;
  const buckets = reader.raw('position_buckets');
  const norms = reader.choice('norm_rel_ebd', ['none', 'layer_norm'], 'none');
  return {
    ...BERT_DEFAULTS,
    family: 'deberta-v2',
    vocabularySize: reader.size('vocab_size', 128100),
    positions: hasPositions ? positions : 0,
    longest: positions,
    tokenTypes,
    readsTypes: tokenTypes > 1,
    paddingId: reader.size('pad_token_id', 0, 0),
    hiddenSize,
    layers: reader.size('num_hidden_layers', 24),
    heads,
    intermediateSize: reader.size('intermediate_size', 6144),
    activation: reader.activation('hidden_act', 'gelu'),
    normEpsilon: reader.number('layer_norm_eps', 1e-7, 'from 0'),
    ...(isRelative
      ? {
          relative: {
            kind: 'disentangled',
            buckets: typeof buckets === 'number' && buckets >= 1 ? reader.size('position_buckets', 1) : 0,
            greatest,
            longest: positions,
            toKeys,
            toQueries,
            normalized: norms === 'layer_norm',
          } as const,
        }
      : {}),
    initializerRange: reader.number('initializer_range', 0.02, 'from 0'),
    dropout: reader.dropouts(0.1),
    names: namesOf(hasPositions, tokenTypes > 0, {
      ...(toKeys && !shares ? { key: 'attention.self.pos_key_proj' } : {}),
      ...(toQueries && !shares ? { query: 'attention.self.pos_query_proj' } : {}),
    }),
  };
}
