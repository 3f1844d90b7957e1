import type { ConfigReader } from '../config-reader.js';
import type { BertConfig, BertNames, LocalAttention } from '../bert.js';
import { BERT_DEFAULTS } from './bert.js';

/** Names in files of transformers' models around ModernBertModel. */
const NAMES: BertNames = {
  prefix: 'model.',
  ignored: /^(head|decoder|classifier)\./,
  word: 'embeddings.tok_embeddings',
  embeddingNorm: 'embeddings.norm',
  layers: {
    layer: 'layers',
    attention: 'attn.Wqkv',
    output: 'attn.Wo',
    attentionNorm: 'attn_norm',
    mlpNorm: 'mlp_norm',
    up: { joined: 'mlp.Wi', order: ['gate', 'up'] },
    down: 'mlp.Wo',
  },
  norm: 'final_norm',
};

const SLIDING = 'sliding_attention';
const FULL = 'full_attention';

/** Every how many layers one sees all; a list of the layers' kinds must follow the same rule. */
function globalEvery(reader: ConfigReader, layers: number): number {
  const kinds = reader.list('layer_types');
  if (kinds === undefined) return reader.size('global_attn_every_n_layers', 3);
  const second = kinds.indexOf(FULL, 1);
  const every = second < 0 ? layers : second;
  const due = Array.from({ length: layers }, (_, index) => (index % every === 0 ? FULL : SLIDING));
  if (JSON.stringify(kinds) === JSON.stringify(due)) return every;
  throw reader.wrong(
    'layer_types',
    `"${FULL}" for the first layer and every nth after it, "${SLIDING}" for the others`,
  );
}

/** The base of rotary embeddings: of files before transformers 5 a key of its own, later one for each kind of layer. */
function rotaryBase(reader: ConfigReader, kind: string, key: string, fallback: number): number {
  if (!reader.has('rope_parameters')) return reader.number(key, fallback, 'above 0');
  const own = reader.part('rope_parameters', '').part(kind, '');
  own.only('rope_type', 'default');
  return own.number('rope_theta', fallback, 'above 0');
}

/** ModernBERT; defaults are those of transformers' `ModernBertConfig`. */
export function readModernBert(reader: ConfigReader): BertConfig {
  reader.only('position_embedding_type', 'absolute', 'rope', 'sans_pos');
  reader.only('rope_scaling', null);
  const hiddenSize = reader.size('hidden_size', 768);
  const heads = reader.size('num_attention_heads', 12);
  reader.assertHeads('num_attention_heads', heads, 'hidden_size', hiddenSize);
  const layers = reader.size('num_hidden_layers', 22);
  const attention = reader.flag('attention_bias', false);
  const local: LocalAttention = {
    globalEvery: globalEvery(reader, layers),
    window: Math.floor(reader.size('local_attention', 128) / 2),
    globalBase: rotaryBase(reader, FULL, 'global_rope_theta', 160_000),
    localBase: rotaryBase(reader, SLIDING, 'local_rope_theta', 10_000),
  };
  const dropped = ['embedding_dropout', 'mlp_dropout'].map((key) => reader.share(key, 0));
  if (new Set(dropped).size > 1) throw reader.wrong('embedding_dropout', 'the same as "mlp_dropout"');
  return {
    ...BERT_DEFAULTS,
    family: 'modernbert',
    vocabularySize: reader.size('vocab_size', 50368),
    positions: 0,
    longest: reader.size('max_position_embeddings', 8192),
    paddingId: reader.size('pad_token_id', 50283, 0),
    hiddenSize,
    layers,
    heads,
    intermediateSize: reader.size('intermediate_size', 1152),
    activation: reader.activation('hidden_activation', 'gelu'),
    normEpsilon: reader.number('norm_eps', 1e-5, 'from 0'),
    normalize: 'before',
    dropsAttended: false,
    shape: {
      biases: {
        queryKeyValue: attention,
        output: attention,
        mlp: reader.flag('mlp_bias', false),
        norm: reader.flag('norm_bias', false),
      },
      firstIsNormalized: true,
    },
    local,
    initializerRange: reader.number('initializer_range', 0.02, 'from 0'),
    dropout: { hidden: dropped[0] as number, attention: reader.share('attention_dropout', 0) },
    names: NAMES,
  };
}
