import type { BertConfig, BertNames } from '../bert.js';
import { readVitSizes, type ConfigReader } from '../config-reader.js';
import type { VitConfig, VitNames } from '../vit.js';
import { BERT_DEFAULTS } from './bert.js';
import { TOWER_LAYERS, writtenBelow } from './clip.js';

/** What stands in a tower's file beside it. */
const VISION_IGNORED = /^(text_model|classifier|head)\.|^logit_(scale|bias)$|^embeddings\.position_ids$/;
const TEXT_IGNORED = /^(vision_model|classifier|head)\.|^logit_(scale|bias)$|^embeddings\.position_ids$/;

const VISION_NAMES: VitNames = {
  prefix: 'vision_model.',
  written: writtenBelow('vision_model.'),
  ignored: VISION_IGNORED,
  pooler: 'head.probe',
  patch: 'embeddings.patch_embedding',
  position: 'embeddings.position_embedding.weight',
  layers: TOWER_LAYERS,
  norm: 'post_layernorm',
};

const TEXT_NAMES: BertNames = {
  prefix: 'text_model.',
  written: writtenBelow('text_model.'),
  ignored: TEXT_IGNORED,
  pooler: 'head.weight',
  word: 'embeddings.token_embedding',
  position: 'embeddings.position_embedding',
  layers: TOWER_LAYERS,
  norm: 'final_layer_norm',
  poolerMap: 'head',
};

/** SigLIP's vision tower. @param isWhole whether the configuration is that of both towers */
export function readSiglipVision(whole: ConfigReader, isWhole: boolean): VitConfig {
  const reader = isWhole ? whole.part('vision_config', '') : whole;
  const sizes = readVitSizes(reader, 16);
  const hasHead = reader.flag('vision_use_head', true);
  return {
    family: 'siglip_vision_model',
    ...sizes,
    specialTokens: { class: false, distillation: false, registers: 0 },
    intermediateSize: reader.size('intermediate_size', 3072),
    activation: reader.activation('hidden_act', 'gelu_pytorch_tanh'),
    normEpsilon: reader.number('layer_norm_eps', 1e-6, 'from 0'),
    queryKeyValueBias: true,
    patchBias: true,
    pooler: { kind: hasHead ? 'attention' : 'none' },
    pooling: 'pooler',
    takesAnySize: false,
    positionFilter: 'bicubic',
    initializerRange: 0.02,
    dropout: { hidden: 0, attention: reader.share('attention_dropout', 0) },
    names: VISION_NAMES,
  };
}

/** SigLIP's text tower. @param isWhole whether the configuration is that of both towers */
export function readSiglipText(whole: ConfigReader, isWhole: boolean): BertConfig {
  const reader = isWhole ? whole.part('text_config', '') : whole;
  const hiddenSize = reader.size('hidden_size', 768);
  const heads = reader.size('num_attention_heads', 12);
  reader.assertHeads('num_attention_heads', heads, 'hidden_size', hiddenSize);
  const positions = reader.size('max_position_embeddings', 64);
  return {
    ...BERT_DEFAULTS,
    family: 'siglip_text_model',
    vocabularySize: reader.size('vocab_size', 32000),
    positions,
    longest: positions,
    paddingId: reader.size('pad_token_id', 1, 0), // the tokenizer's own counts
    fixesPadding: false,
    readsPadding: true,
    hiddenSize,
    layers: reader.size('num_hidden_layers', 12),
    heads,
    intermediateSize: reader.size('intermediate_size', 3072),
    activation: reader.activation('hidden_act', 'gelu_pytorch_tanh'),
    normEpsilon: reader.number('layer_norm_eps', 1e-6, 'from 0'),
    normalize: 'before',
    pooler: { token: 'last', size: reader.size('projection_size', hiddenSize), bias: true },
    pooling: 'pooler',
    initializerRange: 0.02,
    dropout: { hidden: 0, attention: reader.share('attention_dropout', 0) },
    names: TEXT_NAMES,
  };
}
