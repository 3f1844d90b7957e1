import { ConfigurationError, type Engine, type Modality } from '@drf/tensor';
import type { ImageEncoder, TextEncoder, TrainableImageEncoder, TrainableTextEncoder } from '../contract.js';
import { fullEncoderName } from '../encoder-name.js';
import { frozenImageEncoder, frozenTextEncoder } from './frozen-encoder.js';
import { openImageModel, openTextModel } from './open-model.js';
import { assertHuggingFaceOptions, type HuggingFaceOptions, type TrainableOptions } from './options.js';
import { trainableImageEncoder, trainableTextEncoder } from './trainable-encoder.js';

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
