import { assertFiles, findSource, type ModelSource } from '../transformers/source.js';
import type { HuggingFaceOptions } from './options.js';

/** Finds a model's folder. @throws UnavailableError naming what is not there */
export async function findModel(model: string, options: HuggingFaceOptions): Promise<ModelSource> {
  const source = findSource({ modality: 'text', model, ...options }, '.cache');
  assertFiles(source, ['config.json', 'model.safetensors']);
  return source;
}
