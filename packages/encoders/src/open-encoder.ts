import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { ConfigurationError, type Engine, type Modality } from '@drf/tensor';
import type { ImageEncoder, TextEncoder, TrainableImageEncoder, TrainableTextEncoder } from './contract.js';
import { createEmbeddedImageEncoder } from './embedded/image-encoder.js';
import { createEmbeddedTextEncoder } from './embedded/text-encoder.js';
import {
  frozenImageEncoder,
  frozenTextEncoder,
  trainableImageEncoder,
  trainableTextEncoder,
} from './huggingface/encoders.js';
import {
  assertHuggingFaceOptions,
  type HuggingFaceOptions,
  openImageModel,
  openTextModel,
  type TrainableOptions,
} from './huggingface/open-model.js';
import { createTransformersImageEncoder } from './transformers-js/image-encoder.js';
import {
  assertTransformersOptions,
  loadLibrary,
  type TransformersEncoderOptions,
} from './transformers-js/load-model.js';
import { createTransformersTextEncoder } from './transformers-js/text-encoder.js';

const PREFIXES = ['huggingface:', 'transformers:'] as const;
const WEIGHTS = ['model.safetensors', 'model.safetensors.index.json'];

/**
 * The full name of an encoder. A plain hub id ("google/vit-base-patch16-224") or path means `huggingface:`, whose
 * compiled graphs are the faster of the two ways (docs/results.md) and can be trained; a folder that holds an ONNX model
 * and no weights means `transformers:`. Other names stay as they are.
 */
export function fullEncoderName(name: string): string {
  if (PREFIXES.some((prefix) => name.startsWith(prefix)) || !/[/\\]/.test(name)) return name;
  const isOnnxOnly = existsSync(join(name, 'onnx')) && !WEIGHTS.some((file) => existsSync(join(name, file)));
  return `${isOnnxOnly ? 'transformers' : 'huggingface'}:${name}`;
}

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

const PREFIX = 'huggingface:';

/** Whether a name is one that these encoders have. */
export function isHuggingFaceName(name: string): boolean {
  return name.startsWith(PREFIX);
}

function assertTrainableName(name: string): void {
  if (isHuggingFaceName(name)) return;
  throw new ConfigurationError({
    subject: 'openTrainableEncoder',
    expected: '"huggingface:<hub id or folder>"',
    received: JSON.stringify(name),
    remedy: 'the other encoders are frozen: open them by openEncoder',
  });
}

export interface HuggingFaceEncoders {
  readonly image: ImageEncoder;
  readonly text: TextEncoder;
}

/** The trainable encoder of each modality. */
export interface TrainableEncoders {
  readonly image: TrainableImageEncoder;
  readonly text: TrainableTextEncoder;
}

/**
 * A frozen encoder of the Hugging Face hub, or of a folder in that layout, computed by this package's own functions on
 * an engine.
 * @param name `huggingface:` and a hub id or a folder
 * @throws ConfigurationError for an option or a model that cannot be meant; CheckpointError for weights that do not fit
 * their configuration; UnavailableError naming a file that could not be had; DataError for a damaged file
 */
export async function openHuggingFaceEncoder<M extends Modality>(
  name: string,
  modality: M,
  engine: Engine,
  options: HuggingFaceOptions = {},
): Promise<HuggingFaceEncoders[M]> {
  assertHuggingFaceOptions(modality, options);
  const model = name.slice(PREFIX.length);
  const open = async (): Promise<ImageEncoder | TextEncoder> => {
    if (modality === 'image') {
      const opened = await openImageModel(model, options);
      return frozenImageEncoder(opened.model, opened.parameters, engine);
    }
    const opened = await openTextModel(model, options);
    return frozenTextEncoder(opened.model, opened.parameters, engine);
  };
  return (await open()) as HuggingFaceEncoders[M];
}

/**
 * An encoder of the Hugging Face hub, or of a folder in that layout, that trains under the head.
 * @param plainOrFullName a hub id or a folder, with or without `huggingface:` before it
 * @throws as {@link openHuggingFaceEncoder}
 */
export async function openTrainableEncoder<M extends Modality>(
  plainOrFullName: string,
  modality: M,
  options: TrainableOptions = {},
): Promise<TrainableEncoders[M]> {
  const name = fullEncoderName(plainOrFullName);
  assertHuggingFaceOptions(modality, options);
  assertTrainableName(name);
  const model = name.slice(PREFIX.length);
  const open = async (): Promise<TrainableImageEncoder | TrainableTextEncoder> => {
    if (modality === 'image') {
      const opened = await openImageModel(model, options);
      return trainableImageEncoder(opened.model, opened.parameters, options);
    }
    const opened = await openTextModel(model, options);
    return trainableTextEncoder(opened.model, opened.parameters, options);
  };
  return (await open()) as TrainableEncoders[M];
}

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
