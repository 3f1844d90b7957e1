import { readVitSizes, type ConfigReader } from '../config-reader.js';
import type { VitConfig, VitNames } from '../vit.js';

/** Names in files of transformers' Dinov2Model and Dinov2WithRegistersModel. */
function namesOf(family: string, gated: boolean): VitNames {
  return {
    prefix: `${family}.`,
    ignored: /^classifier\.|^embeddings\.mask_token$/,
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
      attentionNorm: 'norm1',
      mlpNorm: 'norm2',
      up: gated ? { joined: 'mlp.weights_in', order: ['gate', 'up'] } : 'mlp.fc1',
      down: gated ? 'mlp.weights_out' : 'mlp.fc2',
      scales: { attention: 'layer_scale1.lambda1', mlp: 'layer_scale2.lambda1' },
    },
    norm: 'layernorm',
  };
}

/** A DINOv2, with or without registers; defaults are those of transformers' `Dinov2Config`. */
export function readDinov2(reader: ConfigReader, family: 'dinov2' | 'dinov2_with_registers'): VitConfig {
  const sizes = readVitSizes(reader, 14);
  reader.only('drop_path_rate', 0);
  reader.only('apply_layernorm', true); // of the feature maps that backbones give, which nothing here reads
  const gated = reader.flag('use_swiglu_ffn', false);
  const wide = Math.trunc(sizes.hiddenSize * reader.number('mlp_ratio', 4, 'above 0'));
  const hasRegisters = family === 'dinov2_with_registers';
  return {
    family,
    ...sizes,
    specialTokens: {
      class: true,
      distillation: false,
      registers: hasRegisters ? reader.size('num_register_tokens', 4, 0) : 0,
    },
    intermediateSize: gated ? 8 * Math.floor((Math.trunc((wide * 2) / 3) + 7) / 8) : wide,
    activation: gated ? 'silu' : reader.activation('hidden_act', 'gelu'),
    normEpsilon: reader.number('layer_norm_eps', 1e-6, 'from 0'),
    queryKeyValueBias: reader.flag('qkv_bias', true),
    patchBias: true,
    pooler: { kind: 'none' },
    pooling: 'cls',
    takesAnySize: true,
    positionFilter: hasRegisters ? 'bicubic-antialiased' : 'bicubic',
    initializerRange: reader.number('initializer_range', 0.02, 'from 0'),
    dropout: reader.dropouts(0),
    names: namesOf(family, gated),
  };
}
