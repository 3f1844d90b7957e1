import { ConfigurationError, type Modality, type Random } from '@drf/tensor';
import { POOLINGS, type Pooling } from '../transformers/options.js';
import type { FetchModelOptions } from './fetch-model.js';
import { assertLoraOptions, type LoraOptions } from '@drf/layers';

/** How a model is fetched, and how its outputs become one feature. */
export interface HuggingFaceOptions extends FetchModelOptions {
  /** `mean` of the tokens (without padding), the first token (`cls`), or the model's own `pooler`. Default: `cls` for images, `mean` for texts. */
  readonly pooling?: Pooling;
  /**
   * Lengths that batches of texts are padded to; the last one is where texts are cut. A step is traced once a length.
   * Default: 16, 32, 48, 64, 96, 128 and the model's limit.
   */
  readonly textLengths?: readonly number[];
  /**
   * Id that the encoder must have. A folder whose files are not those that it says is refused before anything but their
   * hash is looked at: for names that come from others.
   */
  readonly expectedId?: string;
}

/** What of a model is trained. */
export interface TrainableOptions extends HuggingFaceOptions {
  /** So many of the last layers, with the last normalization and the pooler; `all` (the default): embeddings, too. */
  readonly trainableLayers?: number | 'all';
  /** Train low-rank updates of these linear maps instead, and nothing else. */
  readonly lora?: LoraOptions;
  /** Compute each layer anew for its gradient instead of keeping what it computed. */
  readonly recompute?: boolean;
  /** Share of values, and of attention weights, that are dropped in training; default: what the configuration says. */
  readonly dropout?: number;
  /** Of the first values of low-rank updates. */
  readonly random?: Random;
}

function refuse(option: string, expected: string, received: unknown, remedy?: string): never {
  throw new ConfigurationError({
    subject: `Hugging Face encoder, ${option},`,
    expected,
    received: JSON.stringify(received) ?? 'undefined',
    remedy,
  });
}

/** @throws ConfigurationError naming the option that cannot be meant */
export function assertHuggingFaceOptions(modality: Modality, options: TrainableOptions): void {
  const { pooling, trainableLayers, lora, dropout } = options;
  if (modality !== 'image' && modality !== 'text') refuse('modality', '"image" or "text"', modality);
  if (pooling !== undefined && !POOLINGS.includes(pooling)) {
    refuse('pooling', POOLINGS.map((name) => `"${name}"`).join(', '), pooling);
  }
  if (lora !== undefined) assertLoraOptions(lora);
  if (lora !== undefined && trainableLayers !== undefined && trainableLayers !== 0) {
    const remedy = 'leave one of the two out';
    refuse('trainableLayers', 'nothing beside lora, which trains its updates alone', trainableLayers, remedy);
  }
  if (dropout !== undefined && !(dropout >= 0 && dropout < 1)) refuse('dropout', 'a number from 0, below 1', dropout);
  const isCount = Number.isInteger(trainableLayers) && (trainableLayers as number) >= 0;
  if (trainableLayers !== undefined && trainableLayers !== 'all' && !isCount) {
    refuse('trainableLayers', 'a whole number from 0, or "all"', trainableLayers);
  }
}
