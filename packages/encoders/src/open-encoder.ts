import { ConfigurationError, type Engine, type Modality } from '@drf/tensor';
import type { ImageEncoder, TextEncoder } from './contract.js';
import { createEmbeddedImageEncoder } from './embedded/image-encoder.js';
import { createEmbeddedTextEncoder } from './embedded/text-encoder.js';
import { fullEncoderName } from './encoder-name.js';
import { isHuggingFaceName, openHuggingFaceEncoder } from './huggingface/open.js';
import type { HuggingFaceOptions } from './huggingface/options.js';
import { createTransformersEncoder } from './transformers/create.js';
import type { TransformersEncoderOptions } from './transformers/options.js';

/** Encoder of each modality. */
export interface EncoderOf {
  readonly image: ImageEncoder;
  readonly text: TextEncoder;
}

/** Options of all kinds of encoders; each takes those that it knows. */
export type OpenEncoderOptions = Omit<TransformersEncoderOptions, 'modality' | 'model'> & HuggingFaceOptions;

const TRANSFORMERS = 'transformers:';

/**
 * Opens an encoder by name: `embedded`, or `huggingface:` or `transformers:` followed by a hub id or a folder. A plain
 * hub id or path means the former ({@link fullEncoderName}). The options are for these two.
 * @throws ConfigurationError for another name; what {@link openHuggingFaceEncoder}, {@link createTransformersEncoder}
 * and the embedded ones throw
 */
export async function openEncoder<M extends Modality>(
  plainOrFullName: string,
  modality: M,
  engine: Engine,
  options: OpenEncoderOptions = {},
): Promise<EncoderOf[M]> {
  const name = fullEncoderName(plainOrFullName);
  const open = async (): Promise<ImageEncoder | TextEncoder> => {
    if (name.startsWith(TRANSFORMERS)) {
      return createTransformersEncoder({ ...options, modality, model: name.slice(TRANSFORMERS.length) });
    }
    if (isHuggingFaceName(name)) return openHuggingFaceEncoder(name, modality, engine, options);
    if (name !== 'embedded') throw unknownName(name);
    return modality === 'image' ? createEmbeddedImageEncoder(engine) : createEmbeddedTextEncoder(engine);
  };
  return (await open()) as EncoderOf[M];
}

function unknownName(name: string): ConfigurationError {
  return new ConfigurationError({
    subject: 'openEncoder',
    expected: '"embedded", a hub id or folder, "huggingface:<hub id or folder>" or "transformers:<hub id or folder>"',
    received: JSON.stringify(name),
  });
}
