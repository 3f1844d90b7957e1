import type { BertConfig, BertNames } from '../bert.js';
import { readVitSizes, type ConfigReader } from '../config-reader.js';
import type { VitConfig, VitNames } from '../vit.js';
import { BERT_DEFAULTS } from './bert.js';

/** Names of the layers of CLIP's and SigLIP's towers. */
export const TOWER_LAYERS = {
  layer: 'encoder.layers',
  attention: { query: 'self_attn.q_proj', key: 'self_attn.k_proj', value: 'self_attn.v_proj' },
  output: 'self_attn.out_proj',
  attentionNorm: 'layer_norm1',
  mlpNorm: 'layer_norm2',
  up: 'mlp.fc1',
  down: 'mlp.fc2',
} as const;

/** What stands in a tower's file beside it: the other tower, what compares them, and a map that nobody asked for. */
const VISION_IGNORED =
  /^(text_model|text_projection|visual_projection)\.|^logit_(scale|bias)$|^embeddings\.position_ids$/;
const TEXT_IGNORED =
  /^(vision_model|visual_projection|text_projection)\.|^logit_(scale|bias)$|^embeddings\.position_ids$/;

/** Towers by themselves have the names that they have beside each other. */
export function writtenBelow(prefix: string): (name: string) => string {
  return (name) => (/^(text|visual)_projection\./.test(name) ? name : prefix + name);
}

const VISION_NAMES: VitNames = {
  prefix: 'vision_model.',
  written: writtenBelow('vision_model.'),
  ignored: VISION_IGNORED,
  pooler: 'visual_projection.weight',
  patch: 'embeddings.patch_embedding',
  class: 'embeddings.class_embedding',
  position: 'embeddings.position_embedding.weight',
  embeddingNorm: 'pre_layrnorm', // sic
  layers: TOWER_LAYERS,
  norm: 'post_layernorm',
  projection: 'visual_projection',
};

const TEXT_NAMES: BertNames = {
  prefix: 'text_model.',
  written: writtenBelow('text_model.'),
  ignored: TEXT_IGNORED,
  pooler: 'text_projection.weight',
  word: 'embeddings.token_embedding',
  position: 'embeddings.position_embedding',
  layers: TOWER_LAYERS,
  norm: 'final_layer_norm',
  poolerMap: 'text_projection',
};

/** The tower's own keys: those of a model of both towers lie below `vision_config` or `text_config`. */
function towerOf(reader: ConfigReader, tower: 'vision' | 'text', isWhole: boolean): ConfigReader {
  return isWhole ? reader.part(`${tower}_config`, `${tower}_config_dict`) : reader;
}

/** CLIP's vision tower. @param isWhole whether the configuration is that of both towers */
export function readClipVision(whole: ConfigReader, isWhole: boolean): VitConfig {
  const reader = towerOf(whole, 'vision', isWhole);
  const sizes = readVitSizes(reader, 32);
  return {
    family: 'clip_vision_model',
    ...sizes,
    specialTokens: { class: true, distillation: false, registers: 0 },
    intermediateSize: reader.size('intermediate_size', 3072),
    activation: reader.activation('hidden_act', 'quick_gelu'),
    normEpsilon: reader.number('layer_norm_eps', 1e-5, 'from 0'),
    queryKeyValueBias: true,
    patchBias: false,
    pooler: { kind: 'projection', size: whole.size('projection_dim', 512) },
    pooling: 'pooler',
    takesAnySize: false,
    positionFilter: 'bicubic',
    initializerRange: reader.number('initializer_range', 0.02, 'from 0'),
    dropout: { hidden: 0, attention: reader.share('attention_dropout', 0) },
    names: VISION_NAMES,
  };
}

/** The end token's number in old configurations that do not know it: the largest number of a text ends it. */
const UNKNOWN_END = 2;

/** CLIP's text tower. @param isWhole whether the configuration is that of both towers */
export function readClipText(whole: ConfigReader, isWhole: boolean): BertConfig {
  const reader = towerOf(whole, 'text', isWhole);
  const hiddenSize = reader.size('hidden_size', 512);
  const heads = reader.size('num_attention_heads', 8);
  reader.assertHeads('num_attention_heads', heads, 'hidden_size', hiddenSize);
  const positions = reader.size('max_position_embeddings', 77);
  const end = reader.size('eos_token_id', 49407, 0);
  return {
    ...BERT_DEFAULTS,
    family: 'clip_text_model',
    vocabularySize: reader.size('vocab_size', 49408),
    positions,
    longest: positions,
    paddingId: 0, // stands behind the end, where nothing looks
    fixesPadding: false,
    hiddenSize,
    layers: reader.size('num_hidden_layers', 12),
    heads,
    intermediateSize: reader.size('intermediate_size', 2048),
    activation: reader.activation('hidden_act', 'quick_gelu'),
    normEpsilon: reader.number('layer_norm_eps', 1e-5, 'from 0'),
    normalize: 'before',
    causal: true,
    pooler: { token: end === UNKNOWN_END ? 'largest' : { end }, size: whole.size('projection_dim', 512), bias: false },
    pooling: 'pooler',
    initializerRange: reader.number('initializer_range', 0.02, 'from 0'),
    dropout: { hidden: 0, attention: reader.share('attention_dropout', 0) },
    names: TEXT_NAMES,
  };
}
