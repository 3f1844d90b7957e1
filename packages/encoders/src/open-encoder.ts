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
import { isOwnName, openOwnEncoder, type OwnEncoder } from './own-encoder.js';
import { createTransformersImageEncoder } from './transformers-js/image-encoder.js';
import {
  assertTransformersOptions,
  loadLibrary,
  type TransformersEncoderOptions,
} from './transformers-js/load-model.js';
import { createTransformersTextEncoder } from './transformers-js/text-encoder.js';

const HUGGINGFACE = 'huggingface:';
const TRANSFORMERS = 'transformers:';
const WEIGHTS = ['model.safetensors', 'model.safetensors.index.json'];

/**
 * The full name of an encoder. A plain hub id ("google/vit-base-patch16-224") or path means `huggingface:`, whose
 * compiled graphs are the faster of the two ways (docs/notebook.md) and can be trained; a folder that holds an ONNX model
 * and no weights means `transformers:`. Other names stay as they are.
 */
export function fullEncoderName(name: string): string {
  if ([HUGGINGFACE, TRANSFORMERS].some((prefix) => name.startsWith(prefix)) || !/[/\\]/.test(name)) return name;
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

/** The frozen encoder of each modality. */
export interface EncoderOf {
  readonly image: ImageEncoder;
  readonly text: TextEncoder;
}

/** The trainable encoder of each modality. */
export interface TrainableEncoders {
  readonly image: TrainableImageEncoder;
  readonly text: TrainableTextEncoder;
}

/** Options of an encoder of the user's own, as its module names them. */
interface OwnOptions {
  readonly own?: Readonly<Record<string, unknown>> | undefined;
}

/** @throws ConfigurationError for a precision that an encoder does not compute in */
function assertPrecision(encoder: string, { precision = 'float32' }: HuggingFaceOptions): void {
  if (precision === 'float32') return;
  throw new ConfigurationError({
    subject: `Encoder ${encoder}, precision,`,
    expected: '"float32"',
    received: JSON.stringify(precision),
    remedy: 'int8 is for frozen encoders of a hub id or folder with model.safetensors: leave --encoders.precision out',
  });
}

/** Options of all kinds of encoders; each takes those that it knows. */
export type OpenEncoderOptions = Omit<TransformersEncoderOptions, 'modality' | 'model'> &
  HuggingFaceOptions &
  OwnOptions;

/**
 * Opens a frozen encoder by name: `embedded`; `huggingface:` or `transformers:` followed by a hub id or a folder, where a
 * plain hub id or path means the former ({@link fullEncoderName}); or one of the user's own, whose module was loaded
 * ({@link EncoderDefinition}), by its id or module. The options are for all but `embedded`.
 * @throws ConfigurationError for another name, or an option or model that cannot be meant; CheckpointError for weights
 *   that do not fit their configuration; UnavailableError naming a file that could not be had; DataError for a damaged one
 */
export async function openEncoder<M extends Modality>(
  plainOrFullName: string,
  modality: M,
  engine: Engine,
  options: OpenEncoderOptions = {},
): Promise<EncoderOf[M]> {
  const name = isOwnName(plainOrFullName) ? plainOrFullName : fullEncoderName(plainOrFullName);
  const open = async (): Promise<OwnEncoder> => {
    if (!name.startsWith(HUGGINGFACE)) assertPrecision(JSON.stringify(name), options);
    if (isOwnName(name)) return openOwnEncoder(name, modality, options.own, engine);
    if (name === 'embedded') {
      return modality === 'image' ? createEmbeddedImageEncoder(engine) : createEmbeddedTextEncoder(engine);
    }
    if (name.startsWith(TRANSFORMERS)) {
      return createTransformersEncoder({ ...options, modality, model: name.slice(TRANSFORMERS.length) });
    }
    if (!name.startsWith(HUGGINGFACE)) throw unknownName(name);
    assertHuggingFaceOptions(modality, options);
    const source = name.slice(HUGGINGFACE.length);
    if (modality === 'image') {
      const { model, parameters } = await openImageModel(source, options);
      return frozenImageEncoder(model, parameters, engine, options.precision);
    }
    const { model, parameters } = await openTextModel('frozen', source, options);
    return frozenTextEncoder(model, parameters, engine, options.precision);
  };
  return (await open()) as EncoderOf[M];
}

/**
 * Opens an encoder that trains under the head: one of the Hugging Face hub, or of a folder in that layout, or one of the
 * user's own that says so.
 * @param plainOrFullName a hub id or a folder, with or without `huggingface:` before it, or as in {@link openEncoder}
 * @throws as {@link openEncoder}
 */
export async function openTrainableEncoder<M extends Modality>(
  plainOrFullName: string,
  modality: M,
  options: TrainableOptions & OwnOptions = {},
): Promise<TrainableEncoders[M]> {
  const open = async (): Promise<OwnEncoder> => {
    assertPrecision(`${JSON.stringify(plainOrFullName)}, trained`, options);
    if (isOwnName(plainOrFullName)) return openOwnEncoder(plainOrFullName, modality, options.own);
    assertHuggingFaceOptions(modality, options);
    const name = fullEncoderName(plainOrFullName);
    if (!name.startsWith(HUGGINGFACE)) throw frozenName(name);
    const source = name.slice(HUGGINGFACE.length);
    if (modality === 'image') {
      const { model, parameters } = await openImageModel(source, options);
      return trainableImageEncoder(model, parameters, options);
    }
    const { model, parameters } = await openTextModel('trained', source, options);
    return trainableTextEncoder(model, parameters, options);
  };
  return (await open()) as TrainableEncoders[M];
}

function frozenName(name: string): ConfigurationError {
  return new ConfigurationError({
    subject: 'openTrainableEncoder',
    expected: '"huggingface:<hub id or folder>"',
    received: JSON.stringify(name),
    remedy: 'the other encoders are frozen: open them by openEncoder',
  });
}

function unknownName(name: string): ConfigurationError {
  return new ConfigurationError({
    subject: 'openEncoder',
    expected: '"embedded", a hub id or folder, "huggingface:<hub id or folder>" or "transformers:<hub id or folder>"',
    received: JSON.stringify(name),
  });
}
