import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { readJson } from '@drf/files';
import { ConfigurationError, UnavailableError, type HostTree, type Modality } from '@drf/tensor';
import { longestText, type BertConfig } from '../bert/config.js';
import { fingerprint, type ModelSource } from '../transformers/source.js';
import { assertExpectedFiles } from '../weights/expected-files.js';
import { fetchModel, type ModelFiles } from './fetch-model.js';
import { parseImageProcessor } from './image-processor-config.js';
import { ImageModel } from './image-model.js';
import { loadBert, loadVit } from './load-encoder.js';
import type { HuggingFaceOptions } from './options.js';
import { assertPooling } from './pool-tokens.js';
import { readSentenceModules } from './sentence-modules.js';
import { textLengths } from './text-lengths.js';
import { TextModel } from './text-model.js';
import { createTextTokenizer } from './text-tokenizer.js';

/** Part of the id: changes when the preprocessing or the function does. */
const VERSION = 'v1';
/** Largest file of a tokenizer or a preprocessor that is read; vocabularies of 250,000 pieces take 17 MB. */
const MAXIMUM_BYTES = 128 * 1024 * 1024;

/** A model, and its parameters beside it, since they go elsewhere. */
export interface OpenedModel<Model> {
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
