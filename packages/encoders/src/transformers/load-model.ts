import type { PreTrainedModel } from '@huggingface/transformers';
import type { Modality } from '@drf/tensor';
import { assertExpectedFiles } from '../weights/expected-files.js';
import { assertNoPointers } from '../weights/pointers.js';
import type { Library } from './library.js';
import { DTYPE_SUFFIXES, type TransformersEncoderOptions } from './options.js';
import { absentFile, assertFiles, findSource, fingerprint, loadFailure, type ModelSource } from './source.js';

/** Model families whose image and text halves are separate files. */
const TWO_TOWERS = ['clip', 'siglip', 'jina_clip', 'chinese_clip'];

/** What a loader of the library takes. */
export interface LoadOptions {
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
  if (modality === 'text' && modelType === 'clip') return library.CLIPTextModelWithProjection;
  if (modality === 'text' && modelType === 'siglip') return library.SiglipTextModel;
  if (modality === 'image' && TWO_TOWERS.includes(modelType)) return library.AutoModelForImageFeatureExtraction;
  return library.AutoModel;
}

/** Names of the files that a model may be in. */
const MODEL_NAMES = ['model', 'vision_model', 'text_model'] as const;

function onnxFile(name: (typeof MODEL_NAMES)[number], dtype: keyof typeof DTYPE_SUFFIXES): string {
  return `onnx/${name}${DTYPE_SUFFIXES[dtype]}.onnx`;
}

function modelFile(modality: Modality, modelType: string, dtype: keyof typeof DTYPE_SUFFIXES): string {
  const name = !TWO_TOWERS.includes(modelType) ? 'model' : modality === 'image' ? 'vision_model' : 'text_model';
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
  const cacheDir = options.cacheDir ?? library.env.cacheDir ?? '.cache';
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
