import { join } from 'node:path';
import { readJson, readSafetensors } from '@drf/files';
import { ConfigurationError, type Engine, type HostTree, type Modality } from '@drf/tensor';
import { longestText, parseBertConfig } from '../bert/config.js';
import { bertParameters } from '../bert/parameters.js';
import type { ImageEncoder, TextEncoder, TrainableImageEncoder, TrainableTextEncoder } from '../contract.js';
import { fingerprint, type ModelSource } from '../transformers/source.js';
import { parseVitConfig } from '../vit/config.js';
import { vitParameters } from '../vit/parameters.js';
import { frozenImageEncoder, frozenTextEncoder } from './frozen-encoder.js';
import { parseImageProcessor } from './image-processor-config.js';
import { ImageModel } from './image-model.js';
import { findModel } from './model-files.js';
import { assertHuggingFaceOptions, type HuggingFaceOptions, type TrainableOptions } from './options.js';
import { assertPooling } from './pool-tokens.js';
import { textLengths } from './text-lengths.js';
import { TextModel } from './text-model.js';
import { createTextTokenizer } from './text-tokenizer.js';
import { trainableImageEncoder, trainableTextEncoder } from './trainable-encoder.js';

const PREFIX = 'huggingface:';
/** Part of the id: changes when the preprocessing or the function does. */
const VERSION = 'v1';

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

interface Opened<Model> {
  readonly model: Model;
  readonly parameters: HostTree;
}

const WEIGHTS = 'model.safetensors';

async function openImageModel(source: ModelSource, options: HuggingFaceOptions): Promise<Opened<ImageModel>> {
  const [config, processor] = await Promise.all([
    readJson(join(source.folder, 'config.json')),
    readJson(join(source.folder, 'preprocessor_config.json')),
  ]);
  const vit = parseVitConfig(config, `config.json of ${source.name}`);
  const { tensors } = await readSafetensors(join(source.folder, WEIGHTS));
  const parameters = vitParameters(tensors, vit, `${WEIGHTS} of ${source.name}`);
  const { pooling = 'cls' } = options;
  assertPooling(pooling, parameters, source.name);
  const preprocessing = parseImageProcessor(processor, `preprocessor_config.json of ${source.name}`);
  const id = await idOf('image', source, ['preprocessor_config.json'], [pooling]);
  return { model: new ImageModel(id, pooling, vit, preprocessing, source.name), parameters };
}

async function openTextModel(source: ModelSource, options: HuggingFaceOptions): Promise<Opened<TextModel>> {
  const files = ['tokenizer.json', 'tokenizer_config.json'];
  const [config, tokenizer, tokenizerConfig] = await Promise.all(
    ['config.json', ...files].map((file) => readJson(join(source.folder, file))),
  );
  const bert = parseBertConfig(config, `config.json of ${source.name}`);
  const reader = createTextTokenizer({ tokenizer, config: tokenizerConfig }, longestText(bert), source.name);
  const lengths = textLengths(reader.limit, options.textLengths);
  const { tensors } = await readSafetensors(join(source.folder, WEIGHTS));
  const parameters = bertParameters(tensors, bert, `${WEIGHTS} of ${source.name}`);
  const { pooling = 'mean' } = options;
  assertPooling(pooling, parameters, source.name);
  const id = await idOf('text', source, files, [pooling, `tokens${lengths.at(-1)}`]);
  return { model: new TextModel(id, pooling, bert, reader, lengths), parameters };
}

/** An id that follows the weights, the configuration, the preprocessing and how features are made, not the place. */
async function idOf(
  modality: Modality,
  source: ModelSource,
  files: readonly string[],
  choices: readonly string[],
): Promise<string> {
  const hash = await fingerprint(source, ['config.json', ...files, WEIGHTS]);
  return ['huggingface', modality, source.isFolder ? '' : source.name, hash, ...choices, VERSION].join(':');
}

export interface HuggingFaceEncoders {
  readonly image: ImageEncoder;
  readonly text: TextEncoder;
}

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
  const source = await findModel(name.slice(PREFIX.length), options);
  const open = async (): Promise<ImageEncoder | TextEncoder> => {
    if (modality === 'image') {
      const { model, parameters } = await openImageModel(source, options);
      return frozenImageEncoder(model, parameters, engine);
    }
    const { model, parameters } = await openTextModel(source, options);
    return frozenTextEncoder(model, parameters, engine);
  };
  return (await open()) as HuggingFaceEncoders[M];
}

/**
 * An encoder of the Hugging Face hub, or of a folder in that layout, that trains under the head.
 * @param name `huggingface:` and a hub id or a folder
 * @throws as {@link openHuggingFaceEncoder}
 */
export async function openTrainableEncoder<M extends Modality>(
  name: string,
  modality: M,
  options: TrainableOptions = {},
): Promise<TrainableEncoders[M]> {
  assertHuggingFaceOptions(modality, options);
  assertTrainableName(name);
  const source = await findModel(name.slice(PREFIX.length), options);
  const open = async (): Promise<TrainableImageEncoder | TrainableTextEncoder> => {
    if (modality === 'image') {
      const { model, parameters } = await openImageModel(source, options);
      return trainableImageEncoder(model, parameters, options);
    }
    const { model, parameters } = await openTextModel(source, options);
    return trainableTextEncoder(model, parameters, options);
  };
  return (await open()) as TrainableEncoders[M];
}
