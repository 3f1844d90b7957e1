import { ConfigurationError } from '@drf/tensor';
import type { ActivationName } from '@drf/layers';
import type { DropoutRates } from '@drf/layers';
import { ConfigReader } from '../weights/config-reader.js';

export const VIT_FAMILIES = ['vit', 'deit'] as const;

/** What a vision transformer's `config.json` says about its function. Sizes in pixels, patches and values. */
export interface VitConfig {
  /** `deit` has a distillation token behind the class token. */
  readonly family: (typeof VIT_FAMILIES)[number];
  readonly imageHeight: number;
  readonly imageWidth: number;
  readonly patchHeight: number;
  readonly patchWidth: number;
  readonly channels: number;
  readonly hiddenSize: number;
  readonly layers: number;
  readonly heads: number;
  readonly intermediateSize: number;
  readonly activation: ActivationName;
  readonly normEpsilon: number;
  /** Whether query, key and value maps have a bias. */
  readonly queryKeyValueBias: boolean;
  readonly poolerSize: number;
  readonly poolerActivation: ActivationName;
  /** Standard deviation of fresh weights. */
  readonly initializerRange: number;
  /** In training. */
  readonly dropout: DropoutRates;
}

/** Tokens before those of the patches. */
export function specialTokens({ family }: VitConfig): number {
  return family === 'deit' ? 2 : 1;
}

/** Patches of an image, from top to bottom and from left to right. */
export function patchGrid(config: VitConfig): { readonly rows: number; readonly columns: number } {
  return {
    rows: Math.floor(config.imageHeight / config.patchHeight),
    columns: Math.floor(config.imageWidth / config.patchWidth),
  };
}

/** Length of the token axis. */
export function vitTokens(config: VitConfig): number {
  const { rows, columns } = patchGrid(config);
  return specialTokens(config) + rows * columns;
}

/**
 * Reads the `config.json` of a ViT or DeiT. Defaults are those of transformers' `ViTConfig`.
 * @param json the parsed file
 * @param subject the file's name for errors
 * @throws ConfigurationError for another family of models and for values that cannot be meant, naming the key
 */
export function parseVitConfig(json: unknown, subject: string): VitConfig {
  const reader = new ConfigReader(json, subject);
  const family = reader.family(
    VIT_FAMILIES,
    'an image encoder',
    'choose a ViT or DeiT model; texts have encoders of their own',
  );
  const [imageHeight, imageWidth] = reader.sizePair('image_size', 224);
  const [patchHeight, patchWidth] = reader.sizePair('patch_size', 16);
  const hiddenSize = reader.size('hidden_size', 768);
  const heads = reader.size('num_attention_heads', 12);
  reader.assertHeads('num_attention_heads', heads, 'hidden_size', hiddenSize);
  if (patchHeight > imageHeight || patchWidth > imageWidth) {
    throw new ConfigurationError({
      subject,
      expected: `"patch_size" within "image_size" ${imageHeight} × ${imageWidth}`,
      received: `${patchHeight} × ${patchWidth}`,
    });
  }
  return {
    family,
    imageHeight,
    imageWidth,
    patchHeight,
    patchWidth,
    channels: reader.size('num_channels', 3),
    hiddenSize,
    layers: reader.size('num_hidden_layers', 12),
    heads,
    intermediateSize: reader.size('intermediate_size', 3072),
    activation: reader.activation('hidden_act', 'gelu'),
    normEpsilon: reader.number('layer_norm_eps', 1e-12, 'from 0'),
    queryKeyValueBias: reader.flag('qkv_bias', true),
    poolerSize: reader.size('pooler_output_size', hiddenSize),
    poolerActivation: reader.activation('pooler_act', 'tanh'),
    initializerRange: reader.number('initializer_range', 0.02, 'from 0'),
    dropout: {
      hidden: reader.share('hidden_dropout_prob', 0),
      attention: reader.share('attention_probs_dropout_prob', 0),
    },
  };
}
