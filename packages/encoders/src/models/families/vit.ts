import { readVitSizes, type ConfigReader } from '../config-reader.js';
import type { VitConfig, VitNames } from '../vit.js';

/** Names in files of transformers' models around ViTModel and DeiTModel. */
function namesOf(family: 'vit' | 'deit'): VitNames {
  return {
    prefix: `${family}.`,
    // classifiers, DeiT's two of them, masked image modeling's decoder and token, and a pooler that nobody asked for
    ignored: /^(classifier|cls_classifier|distillation_classifier|decoder\.0|pooler\.dense)\.|^embeddings\.mask_token$/,
    patch: 'embeddings.patch_embeddings.projection',
    class: 'embeddings.cls_token',
    position: 'embeddings.position_embeddings',
    layers: {
      layer: 'encoder.layer',
      attention: {
        query: 'attention.attention.query',
        key: 'attention.attention.key',
        value: 'attention.attention.value',
      },
      output: 'attention.output.dense',
      attentionNorm: 'layernorm_before',
      mlpNorm: 'layernorm_after',
      up: 'intermediate.dense',
      down: 'output.dense',
    },
    norm: 'layernorm',
  };
}

/** A ViT or DeiT; defaults are those of transformers' `ViTConfig`. */
export function readVit(reader: ConfigReader, family: 'vit' | 'deit'): VitConfig {
  const sizes = readVitSizes(reader, 16);
  return {
    family,
    ...sizes,
    specialTokens: { class: true, distillation: family === 'deit', registers: 0 },
    intermediateSize: reader.size('intermediate_size', 3072),
    activation: reader.activation('hidden_act', 'gelu'),
    normEpsilon: reader.number('layer_norm_eps', 1e-12, 'from 0'),
    queryKeyValueBias: reader.flag('qkv_bias', true),
    patchBias: true,
    pooler: {
      kind: 'dense',
      size: reader.size('pooler_output_size', sizes.hiddenSize),
      activation: reader.activation('pooler_act', 'tanh'),
    },
    pooling: 'cls',
    takesAnySize: false,
    positionFilter: 'bicubic',
    initializerRange: reader.number('initializer_range', 0.02, 'from 0'),
    dropout: reader.dropouts(0),
    names: namesOf(family),
  };
}
