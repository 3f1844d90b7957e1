import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { PREPROCESSING_FILES, type FetchModelOptions } from '@drf/encoders';
import { encodeSafetensors } from '@drf/files';
import { ConfigurationError, flattenTree, type HostTensor, type HostTree, type Modality } from '@drf/tensor';
import { encodeModel } from '../onnx/model.js';
import { prepareOutput, replaceOutput } from '../output-folder.js';
import { encoderGraph } from './encoder-graph.js';
import { openEncoderSource, type EncoderSource } from './encoder-source.js';

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

export interface ExportEncoderOptions extends FetchModelOptions {
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
  throw new ConfigurationError({
    subject: `export of ${name}`,
    expected: 'weights of less than 2 GiB, the most that an ONNX file holds',
    received: `${bytes} bytes`,
    remedy: 'choose a smaller model',
  });
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
