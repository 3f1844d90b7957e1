import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type * as tf from '@tensorflow/tfjs';
import {
  applyBert,
  applyVit,
  type BertInputs,
  bertTensors,
  fetchModel,
  type FetchModelOptions,
  fullEncoderName,
  loadBert,
  loadVit,
  longestText,
  mergeLora,
  PREPROCESSING_FILES,
  vitTensors,
} from '@drf/encoders';
import { encodeSafetensors, readJson } from '@drf/files';
import {
  ConfigurationError,
  flattenTree,
  type HostTensor,
  type HostTree,
  mergeTrees,
  type Modality,
  refuser,
} from '@drf/tensor';
import { openRun, openTrainedEncoders } from '@drf/experiment';
import { encodeModel } from '../onnx/model.js';
import { prepareOutput, replaceOutput } from '../output-folder.js';
import { encoderGraph, type EncoderSource } from './encoder-graph.js';

/**
 * Opens a model that is to be exported.
 * @param model a hub id or a folder
 * @throws as `openEncoder`
 */
async function openEncoderSource(
  model: string,
  modality: Modality,
  options: FetchModelOptions,
): Promise<EncoderSource> {
  const { name, folder } = await fetchModel(model, options);
  const json = (await readJson(join(folder, 'config.json'))) as Record<string, unknown>;
  const common = { name, folder, config: json, modelType: String(json['model_type']) };
  if (modality === 'image') {
    const { config, parameters } = await loadVit(folder);
    return {
      ...common,
      parameters,
      reads: { modality, height: config.imageHeight, width: config.imageWidth, channels: config.channels },
      apply: (weights, { pixels }) => applyVit(config, weights, pixels as tf.Tensor),
      tensors: (weights) => vitTensors(weights, config),
    };
  }
  const { config, parameters } = await loadBert(folder);
  return {
    ...common,
    parameters,
    reads: { modality, longest: longestText(config), hasTypes: config.family === 'bert' && config.tokenTypes > 1 },
    apply: (weights, inputs) => applyBert(config, weights, inputs as BertInputs),
    tensors: (weights) => bertTensors(weights, config),
  };
}

/** An encoder as a run trained it: the model that it came from, and its parameters now. */
interface TrainedEncoderOfRun {
  readonly model: string;
  readonly revision: string | undefined;
  /** Low-rank updates are merged. */
  readonly parameters: HostTree;
}

/** Whether a path is a run folder rather than a model. */
export function isRun(path: string): boolean {
  return existsSync(join(path, 'checkpoints')) && existsSync(join(path, 'config.json'));
}

/**
 * The encoder that a run trained, from its result checkpoint.
 * @param allowDownload whether the hub may be asked for the model that it came from, where the cache lacks it
 * @throws ConfigurationError when the run did not train it; as `openRun`
 */
export async function encoderOfRun(
  path: string,
  modality: Modality,
  allowDownload = false,
): Promise<TrainedEncoderOfRun> {
  const { description, parameters } = await openRun(path, undefined, (config, ids) =>
    openTrainedEncoders(config, { ids, allowDownload }),
  );
  const { encoders } = description.config;
  if (!encoders.trainable[modality]) {
    throw refuser(ConfigurationError, `Run ${path}`)(
      `one that trained its ${modality} encoder`,
      `the frozen encoder ${encoders[modality]}`,
      'name the model itself',
    );
  }
  const partOf = (tree: HostTree = {}): HostTree => ((tree['encoders'] ?? {}) as HostTree)[modality] as HostTree;
  const whole = mergeTrees<HostTensor>(partOf(parameters.trained) ?? {}, partOf(parameters.fixed) ?? {});
  return {
    model: fullEncoderName(encoders[modality]).replace(/^huggingface:/, ''),
    revision: encoders.revision[modality],
    parameters: encoders.lora.rank > 0 ? mergeLora(whole, encoders.lora) : whole,
  };
}

const MODEL_FILE = 'onnx/model.onnx';
const CONFIG_FILE = 'config.json';
/** Everything that such an export may consist of, at the top of its folder. */
const KNOWN_FILES = [
  CONFIG_FILE,
  'model.safetensors',
  'onnx',
  ...PREPROCESSING_FILES.image,
  ...PREPROCESSING_FILES.text,
];

/** The class of Python's transformers that loads such weights. */
const ARCHITECTURES: Readonly<Record<string, string>> = {
  bert: 'BertModel',
  roberta: 'RobertaModel',
  'xlm-roberta': 'XLMRobertaModel',
  camembert: 'CamembertModel',
  distilbert: 'DistilBertModel',
  vit: 'ViTModel',
  deit: 'DeiTModel',
};

/** Largest message of protobuf, which ONNX files are. */
const LARGEST_FILE = 2 ** 31 - 1;

interface ExportEncoderOptions extends FetchModelOptions {
  readonly out: string;
  readonly overwrite?: boolean;
  /**
   * Parameters in place of the model's own, as training left them. Low-rank updates must be merged into them
   * (`mergeLora`).
   */
  readonly parameters?: HostTree;
  /** Told what is being done. */
  readonly onStep?: (message: string) => void;
}

function assertFits(parameters: HostTree, name: string): void {
  const bytes = [...flattenTree<HostTensor>(parameters).values()].reduce((sum, { data }) => sum + data.byteLength, 0);
  if (bytes < LARGEST_FILE) return;
  throw refuser(ConfigurationError, `export of ${name}`)(
    'weights of less than 2 GiB, the most that an ONNX file holds',
    `${bytes} bytes`,
    'choose a smaller model',
  );
}

function configOf({ config, modelType }: EncoderSource): string {
  const architectures = [ARCHITECTURES[modelType] as string];
  return `${JSON.stringify({ ...config, architectures, torch_dtype: 'float32' }, null, 2)}\n`;
}

/**
 * Writes an encoder as a folder that transformers.js and Python's transformers open: `config.json`, the files of its
 * tokenizer or image processor, `onnx/model.onnx` and `model.safetensors`.
 * @param model a hub id or a folder: where the configuration, the preprocessing and, unless given, the parameters are
 * @returns paths of the files
 * @throws ConfigurationError when the folder is occupied or the model too large for ONNX; CheckpointError when given
 *   parameters are not the model's; DataError when the folder cannot be written; what opening the model throws
 */
export async function exportEncoder(
  model: string,
  modality: Modality,
  options: ExportEncoderOptions,
): Promise<readonly string[]> {
  const { out, overwrite = false, onStep, ...fetching } = options;
  onStep?.('Reading the model');
  const source = await openEncoderSource(model, modality, fetching);
  const parameters = options.parameters ?? source.parameters;
  assertFits(parameters, source.name);
  await prepareOutput(out, overwrite, KNOWN_FILES);
  const tensors = source.tensors(parameters);
  const files = new Map<string, string | (() => Uint8Array)>();
  for (const file of PREPROCESSING_FILES[modality]) {
    const path = join(source.folder, file);
    if (existsSync(path)) files.set(file, await readFile(path, 'utf8'));
  }
  onStep?.(`Tracing ${MODEL_FILE}`);
  const graph = await encoderGraph(source, parameters);
  files.set(MODEL_FILE, () => encodeModel(graph));
  files.set('model.safetensors', () => encodeSafetensors({ tensors, metadata: { format: 'pt' } }));
  files.set(CONFIG_FILE, configOf(source));
  onStep?.('Writing');
  await replaceOutput(out, files, CONFIG_FILE, KNOWN_FILES);
  return [...files.keys()].map((file) => join(out, file));
}
