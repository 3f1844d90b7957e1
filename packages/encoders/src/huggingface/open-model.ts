import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { readJson } from '@drf/files';
import { assertLoraOptions, type LoraOptions } from '@drf/layers';
import { ConfigurationError, type HostTree, type Modality, type Random, UnavailableError } from '@drf/tensor';
import { type Pooling, POOLINGS } from '../contract.js';
import { fetchModel, type FetchModelOptions, type ModelFiles } from './fetch-model.js';
import { parseImageProcessor } from './image-processor.js';
import { loadBert, loadVit } from './load-encoder.js';
import { ImageModel, TextModel } from './models.js';
import { assertPooling, readSentenceModules } from './pooling.js';
import { createTextTokenizer, textLengths } from './text-tokenizer.js';
import { assertExpectedFiles, fingerprint, type ModelSource } from '../model-source.js';
import { type BertConfig, longestText } from '../models/bert.js';

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
async function openFiles(name: string, files: readonly string[], options: HuggingFaceOptions): Promise<ModelFiles> {
  const model = await fetchModel(name, options);
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

/** A ViT or DeiT with its image processor. */
export async function openImageModel(name: string, options: HuggingFaceOptions): Promise<OpenedModel<ImageModel>> {
  const file = 'preprocessor_config.json';
  const files = await openFiles(name, [file], options);
  const processor = parseImageProcessor(await readModelFile(files, file), `${file} of ${files.name}`);
  const { config, parameters } = await loadVit(files.folder);
  const { pooling = 'cls' } = options;
  assertPooling(pooling, parameters, files.name);
  const id = await idOf('image', files, [file], [pooling]);
  return { model: new ImageModel(id, pooling, config, processor, files.name), parameters };
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

/** A BERT, RoBERTa or DistilBERT with its tokenizer, and what sentence-transformers' files say of its features. */
export async function openTextModel(name: string, options: HuggingFaceOptions): Promise<OpenedModel<TextModel>> {
  const tokenizerFiles = ['tokenizer.json', 'tokenizer_config.json'];
  const files = await openFiles(name, tokenizerFiles, options);
  const [tokenizer, tokenizerConfig] = await Promise.all(tokenizerFiles.map((file) => readModelFile(files, file)));
  const modules = await readSentenceModules(files.folder, options.pooling);
  const { config, parameters } = await loadBert(files.folder);
  const reader = createTextTokenizer(
    { tokenizer, config: tokenizerConfig, modelType: config.family },
    {
      positions: longestText(config),
      lowercases: modules.lowercases,
      ...(modules.maximumTokens === undefined ? {} : { maximumTokens: modules.maximumTokens }),
    },
    files.name,
  );
  assertVocabulary(reader.size, config, files.name);
  const lengths = textLengths(reader.limit, reader.longest, options.textLengths);
  const { pooling = 'mean' } = modules;
  assertPooling(pooling, parameters, files.name);
  // what differs from reading the tokenizer's files alone, so that other models keep their ids
  const further = [
    ...(modules.normalizes ? ['unit'] : []),
    ...(modules.lowercases ? ['lowercased'] : []),
    ...reader.changes,
  ];
  const id = await idOf('text', files, tokenizerFiles, [pooling, `tokens${lengths.at(-1)}`, ...further]);
  return { model: new TextModel(id, pooling, config, reader, lengths, modules.normalizes), parameters };
}
