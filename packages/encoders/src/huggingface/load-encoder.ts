import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { openSafetensors, openSafetensorsIndex, readJson, type TensorSource } from '@drf/files';
import { type HostTensor, type HostTree, UnavailableError, unflattenTree } from '@drf/tensor';
import { assertNoPointers } from '../model-source.js';
import { type BertConfig, type BertParts, bertWeights } from '../models/bert.js';
import { parseBertConfig, parseVitConfig } from '../models/families.js';
import { type VitConfig, type VitParts, vitWeights } from '../models/vit.js';
import { type FileNames, floatFromFile, hasPooler, resolveWeights, type Weight } from '../models/weights.js';

export const WEIGHTS_FILE = 'model.safetensors';
export const WEIGHTS_INDEX = 'model.safetensors.index.json';
/** Weights in formats of other libraries. PyTorch's may run code when it is read. */
export const OTHER_WEIGHTS = ['pytorch_model.bin', 'pytorch_model.bin.index.json', 'tf_model.h5', 'flax_model.msgpack'];
export const CONVERT =
  'convert it with Python: transformers.AutoModel.from_pretrained("<model>").save_pretrained("<new folder>"), and open that folder';

/** An encoder as a folder holds it. */
export interface LoadedEncoder<Config> {
  readonly config: Config;
  readonly parameters: HostTree;
  /** Tensors of the files that are known and no part of the encoder: heads, buffers. */
  readonly ignored: readonly string[];
}

async function readConfig(folder: string): Promise<unknown> {
  await assertNoPointers(folder);
  const path = join(folder, 'config.json');
  if (existsSync(path)) return readJson(path, 1024 * 1024);
  throw new UnavailableError({
    subject: `model folder ${folder}`,
    expected: 'the file config.json',
    received: 'no such file',
    remedy: 'name a folder in the layout of Hugging Face transformers (config.json, model.safetensors)',
  });
}

/** The weights in a folder: one file, or several with an index. The caller closes it. */
async function openWeights(folder: string): Promise<TensorSource> {
  if (existsSync(join(folder, WEIGHTS_FILE))) return openSafetensors(join(folder, WEIGHTS_FILE));
  if (existsSync(join(folder, WEIGHTS_INDEX))) return openSafetensorsIndex(join(folder, WEIGHTS_INDEX));
  const other = OTHER_WEIGHTS.find((file) => existsSync(join(folder, file)));
  throw new UnavailableError({
    subject: `model folder ${folder}`,
    expected: `the file ${WEIGHTS_FILE} or ${WEIGHTS_INDEX}`,
    received: other === undefined ? 'no such file' : `${other} alone`,
    remedy: other === undefined ? 'copy the whole model into the folder' : CONVERT,
  });
}

/** Reads one tensor after the other, so that memory holds the parameters and one tensor more. */
async function readParameters(
  folder: string,
  names: FileNames,
  weightsFor: (pooler: boolean) => readonly Weight[],
  wanted: boolean | undefined,
): Promise<Omit<LoadedEncoder<never>, 'config'>> {
  const source = await openWeights(folder);
  try {
    const weights = weightsFor(wanted ?? hasPooler(source.tensors.keys(), names));
    const shapes = new Map([...source.tensors].map(([name, { shape }]) => [name, shape] as const));
    const { fileNames, ignored } = resolveWeights(shapes, weights, names, source.path);
    const leaves: [string, HostTensor][] = [];
    for (const weight of weights) {
      const fileName = fileNames.get(weight.name) as string;
      leaves.push([weight.name, floatFromFile(weight, await source.read(fileName), fileName, source.path)]);
    }
    return { parameters: unflattenTree(leaves), ignored };
  } finally {
    await source.close();
  }
}

/**
 * A vision transformer out of a folder in transformers' layout; of a model with two towers, that of images. Float16 and bfloat16 become float32.
 * @param parts which parts to read; the pooler by default where the files have one
 * @throws UnavailableError naming a file that is not there, ConfigurationError for a `config.json` of another family or
 * with values that cannot be meant, CheckpointError for damaged weights and such that do not fit the configuration
 */
export async function loadVit(folder: string, parts: VitParts = {}): Promise<LoadedEncoder<VitConfig>> {
  const config = parseVitConfig(await readConfig(folder), join(folder, 'config.json'));
  const weights = (pooler: boolean): readonly Weight[] => vitWeights(config, { pooler });
  return { config, ...(await readParameters(folder, config.names, weights, parts.pooler)) };
}

/** A text encoder out of a folder, else as {@link loadVit}. */
export async function loadBert(folder: string, parts: BertParts = {}): Promise<LoadedEncoder<BertConfig>> {
  const config = parseBertConfig(await readConfig(folder), join(folder, 'config.json'));
  const weights = (pooler: boolean): readonly Weight[] => bertWeights(config, { pooler });
  return { config, ...(await readParameters(folder, config.names, weights, parts.pooler)) };
}
