import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type * as Transformers from '@huggingface/transformers';
import type { PreTrainedModel } from '@huggingface/transformers';
import { cacheFolder } from '@drf/files';
import { disableTelemetry } from '@drf/onnx';
import { ConfigurationError, DrfError, type Modality, UnavailableError } from '@drf/tensor';
import { spell } from '@drf/terminal';
import { type Pooling, POOLINGS } from '../contract.js';
import {
  ALLOW_DOWNLOAD,
  assertExpectedFiles,
  assertNoPointers,
  fingerprint,
  type ModelSource,
  parseModelName,
} from '../model-source.js';

export type Library = typeof Transformers;

/**
 * Loads `@huggingface/transformers`, which takes a second, only when it is needed.
 * @throws UnavailableError when it, or the ONNX Runtime below it, does not load here
 */
export async function loadLibrary(): Promise<Library> {
  disableTelemetry(); // it brings ONNX Runtime
  try {
    const library = await import('@huggingface/transformers');
    library.env.logLevel = Math.max(library.env.logLevel, library.LogLevel.ERROR); // errors come as exceptions
    return library;
  } catch (error) {
    throw new UnavailableError(
      {
        subject: 'npm package @huggingface/transformers',
        expected: 'to load on this machine',
        received: error instanceof Error ? error.message : String(error),
        remedy: `run "${spell('install')}", or use the embedded encoders`,
      },
      { cause: error },
    );
  }
}

/** File name endings of the number formats that models come in. */
const DTYPE_SUFFIXES = {
  fp32: '',
  fp16: '_fp16',
  q8: '_quantized',
  int8: '_int8',
  uint8: '_uint8',
  q4: '_q4',
  q4f16: '_q4f16',
  bnb4: '_bnb4',
} as const;
/** A number format in which transformers.js keeps weights. */
export type TransformersDtype = keyof typeof DTYPE_SUFFIXES;

/** Which model, how pooled, in what number format, from where. */
export interface TransformersEncoderOptions {
  readonly modality: Modality;
  /** A hub id ("Xenova/vit-base-patch16-224"), or a folder with `config.json` and `onnx/`. */
  readonly model: string;
  /** Branch, tag or commit on the hub; default `main`. */
  readonly revision?: string;
  readonly pooling?: Pooling;
  /** Default `fp32`. Formats that quantize activations on the fly make a feature depend a little on its batch. */
  readonly dtype?: TransformersDtype;
  /** Where files from the hub are kept; default the folder of the library. */
  readonly cacheDir?: string;
  /** Never ask the hub. */
  readonly localFilesOnly?: boolean;
  /** Id that the encoder must have: a folder with other files is refused before they are read. */
  readonly expectedId?: string;
}

function refuse(option: string, expected: string, received: unknown): never {
  throw new ConfigurationError({
    subject: `createTransformersEncoder, ${option},`,
    expected,
    received: JSON.stringify(received) ?? 'undefined',
  });
}

/** @throws ConfigurationError naming the option that cannot be meant. */
export function assertTransformersOptions(options: TransformersEncoderOptions): void {
  const { modality, model, revision = 'main', pooling, dtype = 'fp32' } = options;
  if (modality !== 'image' && modality !== 'text') refuse('modality', '"image" or "text"', modality);
  if (typeof model !== 'string' || model === '') refuse('model', 'a hub id or a folder', model);
  if (!/^[\w][\w./-]*$/.test(revision) || revision.includes('..')) {
    refuse('revision', 'a branch, tag or commit', revision);
  }
  if (pooling !== undefined && !POOLINGS.includes(pooling)) {
    refuse('pooling', POOLINGS.map((name) => `"${name}"`).join(', '), pooling);
  }
  if (!(dtype in DTYPE_SUFFIXES)) refuse('dtype', Object.keys(DTYPE_SUFFIXES).join(', '), dtype);
}

/**
 * Tells a folder from a hub id: what exists as a folder is one, and so is what looks like a path.
 * @throws UnavailableError for a path without a folder, ConfigurationError for what is neither
 */
function findSource(options: TransformersEncoderOptions, defaultCacheDir: string): ModelSource {
  const { model, revision = 'main', cacheDir = defaultCacheDir } = options;
  const parsed = parseModelName(model, {
    subject: 'createTransformersEncoder, model,',
    folderHolds: 'config.json and onnx/',
    exampleId: 'Xenova/clip-vit-base-patch32',
  });
  if ('folder' in parsed) return { name: parsed.folder, folder: parsed.folder, isFolder: true };
  const folder = join(resolve(cacheDir), model, revision === 'main' ? '' : revision); // as the library lays it out
  return { name: model, folder, isFolder: false };
}

/** The first of the files that is not there yet. */
function absentFile(source: ModelSource, files: readonly string[]): string | undefined {
  return files.find((file) => !existsSync(join(source.folder, file)));
}

/** @throws UnavailableError naming the first of the files that are not there, for when the hub is not to be asked. */
function assertFiles(source: ModelSource, files: readonly string[]): void {
  const absent = absentFile(source, files);
  if (absent === undefined) return;
  throw new UnavailableError({
    subject: source.isFolder ? `model folder ${source.name}` : `model ${source.name} in the cache ${source.folder}`,
    expected: `the file ${absent}`,
    received: 'no such file',
    remedy: source.isFolder
      ? 'export the model in the layout of transformers.js (config.json, tokenizer or preprocessor files, onnx/)'
      : ALLOW_DOWNLOAD,
  });
}

/** Turns what the library throws while it loads a model into an error that says which file and what to do. */
function loadFailure(source: ModelSource, files: readonly string[], error: unknown): Error {
  if (error instanceof DrfError) return error;
  const message = error instanceof Error ? error.message : String(error);
  const absent = absentFile(source, files);
  if (absent === undefined) {
    const subject = `model ${source.name}`;
    const remedy = 'delete its files and fetch or export it again';
    return new UnavailableError({ subject, expected: 'files that load', received: message, remedy }, { cause: error });
  }
  return new UnavailableError(
    {
      subject: `model ${source.name}`,
      expected: `the file ${absent} at ${join(source.folder, absent)} or on the Hugging Face hub`,
      received: reason(message, error),
      remedy:
        'check the id, the revision and the network, or copy the model to a folder and name that folder as the model',
    },
    { cause: error },
  );
}

function reason(message: string, error: unknown): string {
  const cause = error instanceof Error && error.cause instanceof Error ? ` (${error.cause.message})` : '';
  return `${message}${cause}`;
}

/** Model families whose image and text halves are separate files. */
const TWO_TOWERS = ['clip', 'siglip', 'jina_clip', 'chinese_clip'];
/** Such a half by itself. */
const TOWER = /^(?:clip|siglip)_(?:vision|text)_model$/;

/** What a loader of the library takes. */
interface LoadOptions {
  readonly revision: string;
  readonly cache_dir: string;
  readonly local_files_only: boolean;
}

/** A model ready to run, with the preprocessing part made by `preprocessor`. */
export interface LoadedModel<Preprocessor> {
  readonly model: PreTrainedModel;
  readonly preprocessor: Preprocessor;
  /** Changes with any file that decides the features. */
  readonly revision: string;
  readonly source: ModelSource;
}

/** The class that runs one half of a two-tower model, or the whole of another. */
function modelClass(library: Library, modality: Modality, modelType: string) {
  if (modelType === 'clip_vision_model') return library.CLIPVisionModelWithProjection;
  if (modelType === 'siglip_vision_model') return library.SiglipVisionModel;
  if (modality === 'text' && /^clip(_text_model)?$/.test(modelType)) return library.CLIPTextModelWithProjection;
  if (modality === 'text' && /^siglip(_text_model)?$/.test(modelType)) return library.SiglipTextModel;
  if (modality === 'image' && TWO_TOWERS.includes(modelType)) return library.AutoModelForImageFeatureExtraction;
  return library.AutoModel;
}

/** Names of the files that a model may be in. */
const MODEL_NAMES = ['model', 'vision_model', 'text_model'] as const;

function onnxFile(name: (typeof MODEL_NAMES)[number], dtype: keyof typeof DTYPE_SUFFIXES): string {
  return `onnx/${name}${DTYPE_SUFFIXES[dtype]}.onnx`;
}

function modelFile(modality: Modality, modelType: string, dtype: keyof typeof DTYPE_SUFFIXES): string {
  const isTower = TWO_TOWERS.includes(modelType) || TOWER.test(modelType);
  const name = !isTower ? 'model' : modality === 'image' ? 'vision_model' : 'text_model';
  return onnxFile(name, dtype);
}

/** Files with the one that may hold the weights of the last, the model. */
function withData(files: readonly string[]): readonly string[] {
  return [...files, `${files.at(-1)}_data`];
}

/**
 * Loads a model and its preprocessing from a folder, the cache or the hub.
 * @param files of the preprocessing, for error messages and the fingerprint
 * @throws UnavailableError naming the file that could not be had, and what to do
 */
export async function loadModel<Preprocessor>(
  library: Library,
  options: TransformersEncoderOptions,
  files: readonly string[],
  preprocessor: (name: string, options: LoadOptions) => Promise<Preprocessor>,
): Promise<LoadedModel<Preprocessor>> {
  const { modality, revision = 'main', dtype = 'fp32', localFilesOnly = false } = options;
  const cacheDir = options.cacheDir ?? join(cacheFolder(), 'transformers'); // the library's own is inside its installation
  const source = findSource(options, cacheDir);
  const local = localFilesOnly || source.isFolder;
  const name = local ? source.folder : source.name; // of a folder the library asks the hub nothing
  await assertExpectedFiles(
    source,
    options.expectedId,
    MODEL_NAMES.map((base) => withData(['config.json', ...files, onnxFile(base, dtype)])),
  );
  const load: LoadOptions = { revision, cache_dir: cacheDir, local_files_only: local };
  const needed = ['config.json', ...files];
  try {
    if (local) assertFiles(source, needed);
    if (source.isFolder) await assertNoPointers(source.folder);
    const config = await library.AutoConfig.from_pretrained(name, load);
    const modelType = String((config as { model_type?: unknown }).model_type);
    needed.push(modelFile(modality, modelType, dtype));
    if (local) assertFiles(source, needed);
    // a cached tokenizer is read as a folder: the library asks the hub about its files even when it has them
    const made = await preprocessor(absentFile(source, needed) === undefined ? source.folder : source.name, load);
    const loader = modelClass(library, modality, modelType);
    const model = await loader.from_pretrained(name, { ...load, config, dtype, device: 'cpu' });
    return { model, preprocessor: made, source, revision: await fingerprint(source, withData(needed)) };
  } catch (error) {
    throw loadFailure(source, needed, error);
  }
}
