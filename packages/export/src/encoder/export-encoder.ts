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
  isOwnName,
  loadBert,
  loadForImages,
  loadVit,
  longestText,
  mergeLora,
  parseImageProcessor,
  PREPROCESSING_FILES,
  readTokenizer,
  resizedProcessor,
  vitTensors,
} from '@drf/encoders';
import { encodeModel } from '@drf/onnx';
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
import { openRun, openTrainedEncoders, RunFolder } from '@drf/experiment';
import { prepareOutput, replaceOutput } from '../output-folder.js';
import { encoderGraph, type EncoderSource } from './encoder-graph.js';

/** Where the towers of a model of two are described in its `config.json`. */
const TOWER_KEYS = {
  image: ['vision_config', 'vision_config_dict'],
  text: ['text_config', 'text_config_dict'],
} as const;

/** What `config.json` says of one encoder: the whole file, or of a model with two towers that tower's part. */
function configOf(
  json: Record<string, unknown>,
  modality: Modality,
  family: string,
  further: Readonly<Record<string, unknown>>,
): Record<string, unknown> {
  const [part, older] = TOWER_KEYS[modality];
  const whole = json['model_type'];
  if (whole !== 'clip' && whole !== 'siglip') return { ...json, ...further };
  const tower = { ...(json[part] as object | undefined), ...(json[older] as object | undefined) };
  const { projection_dim } = json;
  return { ...tower, ...(projection_dim === undefined ? {} : { projection_dim }), ...further, model_type: family };
}

/** The same preprocessing in a file's words, with the sizes that it has now. */
function resizedFile(json: Record<string, unknown>, side: number): Record<string, unknown> {
  const { resize, crop } = resizedProcessor(parseImageProcessor(json, PROCESSOR_FILE), side);
  const size = resize?.size;
  return {
    ...json,
    ...(size === undefined ? {} : { size: 'shortestEdge' in size ? { shortest_edge: size.shortestEdge } : size }),
    ...(crop === undefined ? {} : { crop_size: crop }),
  };
}

/**
 * Opens a model that is to be exported.
 * @param model a hub id or a folder
 * @throws as `openEncoder`
 */
async function openEncoderSource(
  model: string,
  modality: Modality,
  { imageSize, ...options }: FetchModelOptions & { readonly imageSize?: number },
): Promise<EncoderSource> {
  const files = await fetchModel(model, options);
  const { name, folder } = files;
  const json = (await readJson(join(folder, 'config.json'))) as Record<string, unknown>;
  const common = { name, folder };
  const modelType = String(json['model_type']);
  if (modality === 'image') {
    const hasProcessor = existsSync(join(folder, PROCESSOR_FILE));
    const { config, parameters } = hasProcessor ? await loadForImages(files, imageSize) : await loadVit(folder);
    const { imageHeight: height, imageWidth: width, family } = config;
    return {
      ...common,
      ...kindOf(family),
      config: configOf(json, modality, family, {
        image_size: height === width ? height : [height, width],
        ...(family.startsWith('dinov2') ? { use_mask_token: false } : {}), // of its training; it is not written
      }),
      parameters,
      reads: { modality, height, width, channels: config.channels },
      apply: (weights, { pixels }) => applyVit(config, weights, pixels as tf.Tensor),
      tensors: (weights) => vitTensors(weights, config),
    };
  }
  const { config, parameters } = await loadBert(folder);
  return {
    ...common,
    ...kindOf(config.family === 'roberta' ? modelType : config.family),
    config: configOf(json, modality, config.family, {}),
    parameters,
    reads: { modality, longest: longestText(config), hasTypes: config.readsTypes },
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
  /** Side of the images that it was trained to read, where that is not what its files say. */
  readonly imageSize?: number;
}

/** Whether a path is a run folder rather than a model. */
export function isRun(path: string): boolean {
  return existsSync(join(path, 'checkpoints')) && existsSync(join(path, 'config.json'));
}

/**
 * The encoder that a run trained, from its result checkpoint.
 * @param allowDownload whether the hub may be asked for the model that it came from, where the cache lacks it
 * @throws ConfigurationError when the run did not train it, or it is of a module of the user's own; as `openRun`
 */
export async function encoderOfRun(
  path: string,
  modality: Modality,
  allowDownload = false,
): Promise<TrainedEncoderOfRun> {
  const { encoders } = (await (await RunFolder.open(path)).readDescription()).config;
  const refuse = refuser(ConfigurationError, `Run ${path}`);
  if (!encoders.trainable[modality]) {
    const isInt8 = encoders.precision[modality] === 'int8';
    const received = `the frozen encoder ${encoders[modality]}${isInt8 ? ' in int8' : ''}`;
    const remedy = `name the model itself${isInt8 ? ', which is written in float32: its features are not quite those of the run' : ''}`;
    throw refuse(`one that trained its ${modality} encoder`, received, remedy);
  }
  if (isOwnName(encoders[modality])) {
    const remedy = `write it by your module: its parameters are "encoders.${modality}" of the run's checkpoint`;
    throw refuse(`a ${modality} encoder in the layout of Hugging Face`, `your own, ${encoders[modality]}`, remedy);
  }
  const { parameters } = await openRun(path, undefined, (config, ids) =>
    openTrainedEncoders(config, { ids, allowDownload }),
  );
  const partOf = (tree: HostTree = {}): HostTree => ((tree['encoders'] ?? {}) as HostTree)[modality] as HostTree;
  const whole = mergeTrees<HostTensor>(partOf(parameters.trained) ?? {}, partOf(parameters.fixed) ?? {});
  const { imageSize } = encoders;
  return {
    ...(modality === 'image' && imageSize !== undefined ? { imageSize } : {}),
    model: fullEncoderName(encoders[modality]).replace(/^huggingface:/, ''),
    revision: encoders.revision[modality],
    parameters: encoders.lora.rank > 0 ? mergeLora(whole, encoders.lora) : whole,
  };
}

const PROCESSOR_FILE = 'preprocessor_config.json';
const CONFIG_FILE = 'config.json';
/** Everything that such an export may consist of, at the top of its folder. */
const KNOWN_FILES = [
  CONFIG_FILE,
  'model.safetensors',
  'onnx',
  ...PREPROCESSING_FILES.image,
  ...PREPROCESSING_FILES.text,
];

/** How others know a family: the class of Python's transformers, the file and the pooled output of transformers.js. */
type Kind = Pick<EncoderSource, 'modelType' | 'architecture' | 'file' | 'pooledName'>;

function kind(architecture: string, file = 'model', pooledName = 'pooler_output'): Omit<Kind, 'modelType'> {
  return { architecture, file: `onnx/${file}.onnx`, pooledName };
}

const KINDS: Readonly<Record<string, Omit<Kind, 'modelType'>>> = {
  bert: kind('BertModel'),
  roberta: kind('RobertaModel'),
  'xlm-roberta': kind('XLMRobertaModel'),
  camembert: kind('CamembertModel'),
  distilbert: kind('DistilBertModel'),
  mpnet: kind('MPNetModel'),
  'deberta-v2': kind('DebertaV2Model'),
  modernbert: kind('ModernBertModel'),
  clip_text_model: kind('CLIPTextModelWithProjection', 'text_model', 'text_embeds'),
  siglip_text_model: kind('SiglipTextModel', 'text_model'),
  vit: kind('ViTModel'),
  deit: kind('DeiTModel'),
  dinov2: kind('Dinov2Model'),
  dinov2_with_registers: kind('Dinov2WithRegistersModel'),
  clip_vision_model: kind('CLIPVisionModelWithProjection', 'vision_model', 'image_embeds'),
  siglip_vision_model: kind('SiglipVisionModel', 'vision_model'),
};

function kindOf(modelType: string): Kind {
  return { modelType, ...(KINDS[modelType] as Omit<Kind, 'modelType'>) };
}

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
  /** Side of the images that it reads, where that is not what its files say; the parameters given must be of that size. */
  readonly imageSize?: number;
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

/**
 * `config.json` of an export. Numbers that the model's own file writes as `1.0` are written so again: transformers 5
 * refuses whole numbers there, and JavaScript knows no difference.
 */
async function configText({ config, architecture, folder }: EncoderSource): Promise<string> {
  const given = await readFile(join(folder, CONFIG_FILE), 'utf8');
  const fractions = new Set([...given.matchAll(/"(\w+)":\s*-?\d+\.0+(?=[,\s}])/g)].map(([, key]) => key));
  const text = JSON.stringify({ ...config, architectures: [architecture], torch_dtype: 'float32' }, null, 2);
  const spelled = text.replace(/"(\w+)": -?\d+(?=,?\n)/g, (pair, key: string) =>
    fractions.has(key) ? `${pair}.0` : pair,
  );
  return `${spelled}\n`;
}

/**
 * Writes an encoder as a folder that transformers.js and Python's transformers open: `config.json`, the files of its
 * tokenizer or image processor, `onnx/model.onnx` and `model.safetensors`. Of a model with two towers the one of the
 * modality is written, by itself (`onnx/vision_model.onnx` or `onnx/text_model.onnx`); a vision transformer as it reads
 * images of the size in use.
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
  const { out, overwrite = false, onStep, imageSize, ...fetching } = options;
  onStep?.('Reading the model');
  const source = await openEncoderSource(model, modality, {
    ...fetching,
    ...(imageSize === undefined ? {} : { imageSize }),
  });
  const parameters = options.parameters ?? source.parameters;
  assertFits(parameters, source.name);
  await prepareOutput(out, overwrite, KNOWN_FILES);
  const tensors = source.tensors(parameters);
  const files = new Map<string, string | (() => Uint8Array)>();
  for (const file of PREPROCESSING_FILES[modality]) {
    const path = join(source.folder, file);
    if (!existsSync(path)) continue;
    const text = await readFile(path, 'utf8');
    const isResized = file === PROCESSOR_FILE && imageSize !== undefined;
    files.set(
      file,
      isResized
        ? `${JSON.stringify(resizedFile(JSON.parse(text) as Record<string, unknown>, imageSize), null, 2)}\n`
        : text,
    );
  }
  if (modality === 'text' && files.has('vocab.txt') && !files.has('tokenizer.json')) {
    const { tokenizer, config } = await readTokenizer(source, source.modelType);
    files.set('tokenizer.json', JSON.stringify(tokenizer));
    files.set('tokenizer_config.json', `${JSON.stringify(config, null, 2)}\n`);
  }
  onStep?.(`Tracing ${source.file}`);
  const graph = await encoderGraph(source, parameters);
  files.set(source.file, () => encodeModel(graph));
  files.set('model.safetensors', () => encodeSafetensors({ tensors, metadata: { format: 'pt' } }));
  files.set(CONFIG_FILE, await configText(source));
  onStep?.('Writing');
  await replaceOutput(out, files, CONFIG_FILE, KNOWN_FILES);
  return [...files.keys()].map((file) => join(out, file));
}
