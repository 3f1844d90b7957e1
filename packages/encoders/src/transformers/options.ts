import { ConfigurationError, type Modality } from '@drf/tensor';

/** How a model's outputs become one feature. */
export const POOLINGS = ['mean', 'cls', 'pooler', 'max', 'mean_sqrt_len', 'weightedmean', 'lasttoken'] as const;
/**
 * Out of the last hidden states (without padding): their `mean`, the first (`cls`), the greatest value of each place
 * (`max`), their sum over the root of their number (`mean_sqrt_len`), their mean weighted by 1, 2, 3 … (`weightedmean`),
 * the last (`lasttoken`); or the model's own pooled output (`pooler`). Default: what the files of sentence-transformers
 * say, else a projected embedding where the model gives one (CLIP, SigLIP), else `cls` for images and `mean` for texts.
 */
export type Pooling = (typeof POOLINGS)[number];

/** File name endings of the number formats that models come in. */
export const DTYPE_SUFFIXES = {
  fp32: '',
  fp16: '_fp16',
  q8: '_quantized',
  int8: '_int8',
  uint8: '_uint8',
  q4: '_q4',
  q4f16: '_q4f16',
  bnb4: '_bnb4',
} as const;
/** A number format in which transformers.js keeps weights. */
export type TransformersDtype = keyof typeof DTYPE_SUFFIXES;

/** Which model, how pooled, in what number format, from where. */
export interface TransformersEncoderOptions {
  readonly modality: Modality;
  /** A hub id ("Xenova/vit-base-patch16-224"), or a folder with `config.json` and `onnx/`. */
  readonly model: string;
  /** Branch, tag or commit on the hub; default `main`. */
  readonly revision?: string;
  readonly pooling?: Pooling;
  /** Default `fp32`. Formats that quantize activations on the fly make a feature depend a little on its batch. */
  readonly dtype?: TransformersDtype;
  /** Where files from the hub are kept; default the folder of the library. */
  readonly cacheDir?: string;
  /** Never ask the hub. */
  readonly localFilesOnly?: boolean;
  /** Id that the encoder must have: a folder with other files is refused before they are read. */
  readonly expectedId?: string;
}

function refuse(option: string, expected: string, received: unknown): never {
  throw new ConfigurationError({
    subject: `createTransformersEncoder, ${option},`,
    expected,
    received: JSON.stringify(received) ?? 'undefined',
  });
}

/** @throws ConfigurationError naming the option that cannot be meant. */
export function assertTransformersOptions(options: TransformersEncoderOptions): void {
  const { modality, model, revision = 'main', pooling, dtype = 'fp32' } = options;
  if (modality !== 'image' && modality !== 'text') refuse('modality', '"image" or "text"', modality);
  if (typeof model !== 'string' || model === '') refuse('model', 'a hub id or a folder', model);
  if (!/^[\w][\w./-]*$/.test(revision) || revision.includes('..')) {
    refuse('revision', 'a branch, tag or commit', revision);
  }
  if (pooling !== undefined && !POOLINGS.includes(pooling)) {
    refuse('pooling', POOLINGS.map((name) => `"${name}"`).join(', '), pooling);
  }
  if (!(dtype in DTYPE_SUFFIXES)) refuse('dtype', Object.keys(DTYPE_SUFFIXES).join(', '), dtype);
}
