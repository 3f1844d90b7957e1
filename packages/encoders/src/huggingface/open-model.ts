import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { readJson } from '@drf/files';
import { assertLoraOptions, type LoraOptions } from '@drf/layers';
import {
  ConfigurationError,
  flattenTree,
  type HostTensor,
  type HostTree,
  type Modality,
  PRODUCT_TYPES,
  type ProductType,
  type Random,
  UnavailableError,
} from '@drf/tensor';
import { type Pooling, POOLINGS } from '../contract.js';
import { fetchModel, type FetchModelOptions, type ModelFiles } from './fetch-model.js';
import { fittedSize, type ImageProcessorConfig, parseImageProcessor, resizedProcessor } from './image-processor.js';
import { loadBert, loadVit } from './load-encoder.js';
import { assertSize, ImageModel, TextModel, type TextPooling } from './models.js';
import { assertPooling, readSentenceModules } from './pooling.js';
import { createTextTokenizer, type TextTokenizer, textLengths } from './text-tokenizer.js';
import { assertExpectedFiles, fingerprint, type ModelSource } from '../model-source.js';
import { type BertConfig, longestText } from '../models/bert.js';
import { resizeVit, type VitConfig } from '../models/vit.js';
import { readWordPieces, VOCABULARY_FILE } from '../tokenizers/word-piece-file.js';

/** How a model is fetched, and how its outputs become one feature. */
export interface HuggingFaceOptions extends FetchModelOptions {
  /** How tokens become a feature; default as {@link Pooling} says. */
  readonly pooling?: Pooling;
  /**
   * Side in pixels of the square images that a vision transformer reads, in place of its own: its positions are scaled, and
   * so is its preprocessing.
   */
  readonly imageSize?: number;
  /**
   * Numbers by which a frozen encoder multiplies its weights. With `int8` the compiled engine takes a fraction of the time on
   * processors with instructions for it, and features differ a little from those of `float32` (the default), so it is part of
   * the id.
   */
  readonly precision?: ProductType;
  /**
   * Lengths that batches of texts are padded to; the last one is where texts are cut. Default of
   * frozen encoders: multiples of 8, then the model's limit; in training, where each length takes a trace: 16, 32, 48, 64, 96,
   * 128 and the limit.
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
  const { pooling, trainableLayers, lora, dropout, imageSize, precision } = options;
  if (modality !== 'image' && modality !== 'text') refuse('modality', '"image" or "text"', modality);
  if (pooling !== undefined && !POOLINGS.includes(pooling)) {
    refuse('pooling', POOLINGS.map((name) => `"${name}"`).join(', '), pooling);
  }
  if (pooling === 'cls_mean' && modality === 'text') {
    refuse('pooling', 'another one of texts, which have no patches', pooling, 'choose "cls" or "mean"');
  }
  if (precision !== undefined && !PRODUCT_TYPES.includes(precision)) {
    refuse('precision', PRODUCT_TYPES.map((name) => `"${name}"`).join(' or '), precision);
  }
  if (imageSize !== undefined && modality === 'text') refuse('imageSize', 'nothing beside texts', imageSize);
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

/** Part of the id: changes when the preprocessing or the function does. */
const VERSION = 'v1';
/** Largest file of a tokenizer or a preprocessor that is read; vocabularies of 250,000 pieces take 17 MB. */
const MAXIMUM_BYTES = 128 * 1024 * 1024;

/** A model, and its parameters beside it, since they go elsewhere. */
interface OpenedModel<Model> {
  readonly model: Model;
  readonly parameters: HostTree;
}

/** @throws UnavailableError naming the file when the model lacks it */
async function readModelFile({ name, folder }: ModelFiles, file: string): Promise<unknown> {
  const path = join(folder, file);
  if (existsSync(path)) return readJson(path, MAXIMUM_BYTES);
  throw new UnavailableError({
    subject: `model ${name}`,
    expected: `the file ${file}`,
    received: 'no such file',
    remedy:
      'save it with Python: transformers.AutoTokenizer or AutoImageProcessor.from_pretrained("<model>").save_pretrained("<folder>")',
  });
}

/** Files that decide what an encoder computes: configuration, preprocessing and weights. */
async function decidingFiles({ folder }: ModelFiles, files: readonly string[]): Promise<readonly string[]> {
  const weights = (await readdir(folder)).filter((file) => /^model.*\.safetensors$/.test(file)).sort();
  return ['config.json', ...files, ...weights];
}

function sourceOf({ name, folder, commit }: ModelFiles): ModelSource {
  return { name, folder, isFolder: commit === undefined };
}

/** The files of a model, fetched if need be, and those that were expected. @throws as `fetchModel`, `assertExpectedFiles` */
async function openFiles(
  name: string,
  filesOf: (folder: string) => readonly string[],
  options: HuggingFaceOptions,
): Promise<ModelFiles> {
  const model = await fetchModel(name, options);
  const files = filesOf(model.folder);
  await assertExpectedFiles(sourceOf(model), options.expectedId, [await decidingFiles(model, files)]);
  return model;
}

/** An id that follows weights, configuration, preprocessing and how features are made; of a folder, not its place. */
async function idOf(
  modality: Modality,
  model: ModelFiles,
  files: readonly string[],
  choices: readonly string[],
): Promise<string> {
  const source = sourceOf(model);
  const hash = await fingerprint(source, await decidingFiles(model, files));
  return ['huggingface', modality, source.isFolder ? '' : model.name, hash, ...choices, VERSION].join(':');
}

/** What the precision adds to an id. */
function precisionPart({ precision }: HuggingFaceOptions): readonly string[] {
  return precision === 'int8' ? ['int8'] : [];
}

/** Larger images than this no encoder reads. */
const LARGEST_IMAGE = 1024;

/** @throws ConfigurationError unless patches fill an image of this side, naming the nearest sides that they do fill */
function assertImageSize(side: number, { patchHeight, patchWidth }: VitConfig, name: string): void {
  const step = leastCommonMultiple(patchHeight, patchWidth);
  if (Number.isInteger(side) && side >= step && side <= LARGEST_IMAGE && side % step === 0) return;
  const below = Math.min(Math.max(Math.floor(side / step), 1), Math.floor(LARGEST_IMAGE / step)) * step;
  const above = below + step <= LARGEST_IMAGE && side > below ? ` or ${below + step}` : '';
  throw new ConfigurationError({
    subject: `Hugging Face encoder ${name}, imageSize,`,
    expected: `a multiple of ${step}, the side of its patches, up to ${LARGEST_IMAGE} pixels`,
    received: String(side),
    remedy: `choose ${below}${above}`,
  });
}

function leastCommonMultiple(a: number, b: number): number {
  let multiple = a;
  while (multiple % b !== 0) multiple += a;
  return multiple;
}

/** Width of the pooled output of a model with these parameters. */
function pooledSize(parameters: HostTree, hiddenSize: number): number {
  const leaves = flattenTree<HostTensor>(parameters);
  const map = leaves.get('pooler.kernel') ?? leaves.get('pooler.projection.kernel');
  return map?.shape[1] ?? hiddenSize;
}

/** A vision transformer, and the processing of images of the size that it reads. */
interface ImageTransformer {
  readonly config: VitConfig;
  readonly parameters: HostTree;
  readonly processor: ImageProcessorConfig;
}

const PROCESSOR_FILE = 'preprocessor_config.json';

/**
 * A vision transformer of a folder as it reads images: of the size that is asked for, or else that its files say.
 * @param side of square images
 * @throws ConfigurationError for a side that the model's patches do not fill
 */
export async function loadForImages(files: ModelFiles, side?: number): Promise<ImageTransformer> {
  const { folder, name } = files;
  const processor = parseImageProcessor(await readModelFile(files, PROCESSOR_FILE), `${PROCESSOR_FILE} of ${name}`);
  const { config, parameters } = await loadVit(folder);
  if (side !== undefined) {
    if (!config.takesAnySize) assertSize(processor, config, name);
    assertImageSize(side, config, name);
    return { ...resizeVit(config, parameters, side, side), processor: resizedProcessor(processor, side) };
  }
  const size = config.takesAnySize ? fittedSize(processor) : undefined;
  const sized = size === undefined ? { config, parameters } : resizeVit(config, parameters, size.height, size.width);
  return { ...sized, processor };
}

/** A vision transformer with its image processor. */
export async function openImageModel(name: string, options: HuggingFaceOptions): Promise<OpenedModel<ImageModel>> {
  const files = await openFiles(name, () => [PROCESSOR_FILE], options);
  const { imageSize } = options;
  const { config, parameters, processor } = await loadForImages(files, imageSize);
  const { pooling = config.pooling } = options;
  assertPooling(pooling, parameters, files.name);
  const id = await idOf(
    'image',
    files,
    [PROCESSOR_FILE],
    [pooling, ...(imageSize === undefined ? [] : [`px${imageSize}`]), ...precisionPart(options)],
  );
  const size = pooledSize(parameters, config.hiddenSize);
  return { model: new ImageModel(id, pooling, config, processor, size, files.name), parameters };
}

/** @throws ConfigurationError when the tokenizer has ids that the model has no embedding for */
function assertVocabulary(tokenizerSize: number, { vocabularySize }: BertConfig, name: string): void {
  if (tokenizerSize <= vocabularySize) return;
  throw new ConfigurationError({
    subject: `tokenizer.json of ${name}`,
    expected: `ids below ${vocabularySize}, the "vocab_size" of the model's config.json`,
    received: `ids up to ${tokenizerSize - 1}`,
    remedy:
      'use the tokenizer that came with the model, or give the model the further rows with Python: model.resize_token_embeddings(len(tokenizer)), and save it',
  });
}

/** @throws ConfigurationError when the features come from a token that the tokenizer does not put at the end */
function assertEnding(tokenizer: TextTokenizer, { pooler }: BertConfig, name: string): void {
  const token = pooler?.token;
  if (typeof token !== 'object' || tokenizer.encode('a').includes(token.end)) return;
  throw new ConfigurationError({
    subject: `tokenizer.json of ${name}`,
    expected: `texts that end with the number ${token.end}, the "eos_token_id" of config.json`,
    received: `the numbers ${tokenizer.encode('a').join(', ')}`,
    remedy: 'use the tokenizer that came with the model',
  });
}

/**
 * The one length of texts of a model that reads padding like any other token.
 * @throws ConfigurationError for other lengths, and for a tokenizer that does not say what it pads with
 */
function assertFixedLength(
  tokenizer: TextTokenizer,
  { longest }: BertConfig,
  given: readonly number[] | undefined,
  name: string,
): number {
  if (given !== undefined && (given.length !== 1 || given[0] !== longest)) {
    const remedy = `leave them out: the model reads padding, and ${longest} tokens always`;
    refuse('textLengths', String(longest), given, remedy);
  }
  if (tokenizer.paddingId !== undefined) return longest;
  throw new ConfigurationError({
    subject: `tokenizer_config.json of ${name}`,
    expected: '"pad_token", which the model reads like any other token',
    received: 'none that the tokenizer knows',
    remedy: 'use the file that came with the model',
  });
}

const TOKENIZER_FILE = 'tokenizer.json';
const TOKENIZER_CONFIG = 'tokenizer_config.json';
/** Families whose tokenizer follows from `vocab.txt`. */
const WORD_PIECE_FAMILIES = ['bert', 'distilbert'];

/** The files that decide a tokenizer: old BERTs have `vocab.txt` in place of `tokenizer.json`. */
function tokenizerFilesIn(folder: string): readonly string[] {
  const isOld = !existsSync(join(folder, TOKENIZER_FILE)) && existsSync(join(folder, VOCABULARY_FILE));
  return [isOld ? VOCABULARY_FILE : TOKENIZER_FILE, TOKENIZER_CONFIG];
}

/**
 * The parsed files of a model's tokenizer. Where there is `vocab.txt` alone, the `tokenizer.json` that follows from it.
 * @param family of the model
 * @throws UnavailableError naming a file that the model lacks
 */
export async function readTokenizer(
  files: ModelFiles,
  family: string,
): Promise<{ readonly tokenizer: unknown; readonly config: unknown }> {
  const { folder, name } = files;
  const [first] = tokenizerFilesIn(folder);
  if (first === TOKENIZER_FILE || !WORD_PIECE_FAMILIES.includes(family)) {
    return {
      tokenizer: await readModelFile(files, TOKENIZER_FILE),
      config: await readModelFile(files, TOKENIZER_CONFIG),
    };
  }
  const config = existsSync(join(folder, TOKENIZER_CONFIG)) ? await readModelFile(files, TOKENIZER_CONFIG) : {};
  return { tokenizer: await readWordPieces(folder, config as Record<string, unknown>, name), config };
}

/** A text encoder with its tokenizer, and what sentence-transformers' files say of its features. */
export async function openTextModel(
  use: 'frozen' | 'trained',
  name: string,
  options: HuggingFaceOptions,
): Promise<OpenedModel<TextModel>> {
  const files = await openFiles(name, tokenizerFilesIn, options);
  const tokenizerFiles = tokenizerFilesIn(files.folder);
  const modules = await readSentenceModules(files.folder, options.pooling);
  const { config, parameters } = await loadBert(files.folder);
  const reader = createTextTokenizer(
    { ...(await readTokenizer(files, config.family)), modelType: config.family },
    {
      positions: longestText(config),
      lowercases: modules.lowercases,
      ...(modules.maximumTokens === undefined ? {} : { maximumTokens: modules.maximumTokens }),
    },
    files.name,
  );
  assertVocabulary(reader.size, config, files.name);
  assertEnding(reader, config, files.name);
  const lengths = config.readsPadding
    ? [assertFixedLength(reader, config, options.textLengths, files.name)]
    : textLengths(use, reader.limit, reader.longest, options.textLengths);
  const { pooling = config.pooling } = modules;
  assertPooling(pooling, parameters, files.name, config.causal);
  // what differs from reading the tokenizer's files alone, so that other models keep their ids
  const further = [
    ...(modules.normalizes ? ['unit'] : []),
    ...(modules.lowercases ? ['lowercased'] : []),
    ...reader.changes,
    ...precisionPart(options),
  ];
  const id = await idOf('text', files, tokenizerFiles, [pooling, `tokens${lengths.at(-1)}`, ...further]);
  const size = pooledSize(parameters, config.hiddenSize);
  return {
    model: new TextModel(id, pooling as TextPooling, config, reader, lengths, modules.normalizes, size),
    parameters,
  };
}
