import type { ImageEncoder, TextEncoder } from '../contract.js';
import { createTransformersImageEncoder } from './image-encoder.js';
import { loadLibrary } from './library.js';
import { assertTransformersOptions, type TransformersEncoderOptions } from './options.js';
import { createTransformersTextEncoder } from './text-encoder.js';

type OfModality<Options extends TransformersEncoderOptions> = Options extends { readonly modality: 'image' }
  ? ImageEncoder
  : Options extends { readonly modality: 'text' }
    ? TextEncoder
    : ImageEncoder | TextEncoder;

/**
 * A frozen encoder from any vision or text model in the layout of transformers.js: the image or text half of CLIP and
 * SigLIP, or a model whose output is `last_hidden_state` (BERT and its kin, ViT, DINOv2, ResNet …). Files come from a
 * folder, else from the cache, else from the Hugging Face hub; with all of them cached, no network is needed. Texts
 * are cut at the model's own limit of tokens, and at 512.
 * @throws ConfigurationError naming a bad option, or a pooling that the model has no output for; UnavailableError
 * naming the file that could not be had and what to do
 */
export async function createTransformersEncoder<const Options extends TransformersEncoderOptions>(
  options: Options,
): Promise<OfModality<Options>> {
  assertTransformersOptions(options);
  const library = await loadLibrary();
  const create = options.modality === 'image' ? createTransformersImageEncoder : createTransformersTextEncoder;
  return (await create(library, options)) as OfModality<Options>;
}
