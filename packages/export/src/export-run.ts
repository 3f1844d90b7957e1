import { join } from 'node:path';
import { compile, type ModelNotes } from '@drf/engine';
import { ConfigurationError, type Host, isOwnId, MODALITIES, refuser } from '@drf/tensor';
import { CARD_FILE, type Card } from '@drf/judge/card';
import { headOf, type OpenedRun, openRun, openTrainedEncoders } from '@drf/experiment';
import { spell } from '@drf/terminal';
import { type BuiltModel, createCard, VOCABULARY_FILE } from './card.js';
import { type PackageLicense, readPackageLicense, readVocabulary } from './embedded-packages.js';
import {
  assertPooled,
  exampleInputs,
  headFunction,
  headInputs,
  type HeadOutputs,
  type InputSpecification,
  type ModelInputs,
  modelInputs,
  type RecordedEncoders,
  recordEncoders,
  wholeModel,
} from './model-function.js';
import { foldConstants } from './onnx/fold-constants.js';
import { decodeModel, encodeModel } from './onnx/model.js';
import { withSymbolicBatch } from './onnx/symbolic-batch.js';
import { prepareOutput, writeOutput } from './output-folder.js';

/** A number of posts, or any number. */
export type BatchSize = number | 'dynamic';

interface ExportOptions {
  /** Folder that is written. */
  readonly out: string;
  readonly overwrite?: boolean;
  /** A checkpoint's path; default: the run's result. */
  readonly checkpoint?: string;
  /** Whether the hub may be asked for encoders that the run names and the cache lacks; default false. */
  readonly allowDownload?: boolean;
  /** Leave the encoders out even where they could be exported. */
  readonly headOnly?: boolean;
  /** Default `dynamic`. */
  readonly batch?: BatchSize;
  /** Word pieces of a text that model.onnx reads; default: all that its encoder can. */
  readonly tokens?: number;
  /** Told what is being done. */
  readonly onProgress?: (message: string) => void;
}

export interface ExportResult {
  readonly card: Card;
  /** Paths of the files, the card last. */
  readonly written: readonly string[];
}

/** Traces a function and makes a standard ONNX model of it, with constants folded. */
async function build(
  file: string,
  compute: (inputs: ModelInputs) => HeadOutputs,
  inputs: readonly InputSpecification[],
  run: OpenedRun,
  { batch = 'dynamic', onProgress }: ExportOptions,
): Promise<BuiltModel> {
  onProgress?.(`Tracing ${file}`);
  const notes: ModelNotes = {
    name: file.replace('.onnx', ''),
    description: `${run.description.config.method} of run "${run.description.config.name}"; ${CARD_FILE} explains it`,
    metadata: { labels: JSON.stringify(run.description.classes) },
  };
  const traceAt = (size: number): Uint8Array =>
    compile(compute, exampleInputs(inputs, size) as Host<ModelInputs>).toOnnx(notes); // never run, so nothing to dispose
  try {
    const model = await foldConstants(batch === 'dynamic' ? withSymbolicBatch(traceAt) : decodeModel(traceAt(batch)));
    return { file, model, bytes: encodeModel(model), inputs };
  } catch (error) {
    if (!isOwnId(run.method.id)) throw error;
    throw refuser(ConfigurationError, `Export of own method ${run.method.id}`)(
      'a prediction of tensor operations alone, which ONNX has, too, for any number of posts',
      error instanceof Error ? error.message : String(error),
      `change the module and train again, or judge by the run itself: ${spell('predict')}`,
      error,
    );
  }
}

/** Encoders that could be exported, none when the head alone was asked for, and why some are missing. */
async function chooseEncoders(
  { description }: OpenedRun,
  headOnly: boolean,
): Promise<{ encoders: RecordedEncoders; notes: string[] }> {
  if (headOnly) return { encoders: {}, notes: ['The head alone was asked for, so there is no model.onnx.'] };
  const encoders = await recordEncoders(description);
  const outside = MODALITIES.filter((modality) => encoders[modality] === undefined);
  const { trainable } = description.config.encoders;
  const feature = (modality: 'image' | 'text'): string =>
    trainable[modality]
      ? `The ${modality} encoder "${description.encoders[modality]}" was fine-tuned in this run and is not part of any ` +
        `file here: feed features computed with the parameters "encoders.${modality}" of its checkpoint, or judge by ` +
        `${spell('predict')}.`
      : `The ${modality} encoder "${description.encoders[modality]}" is not part of any file here: feed its features.`;
  return { encoders, notes: outside.map(feature) };
}

/** @throws ConfigurationError when a length of texts was given and no model reads any */
function assertTokens({ tokens }: ExportOptions, { text }: RecordedEncoders): void {
  if (tokens === undefined || text !== undefined) return;
  throw refuser(ConfigurationError, 'export --tokens')(
    'a text encoder that is part of model.onnx',
    `${tokens}, while texts enter as features`,
    'leave --tokens out',
  );
}

function licenseText(licenses: readonly PackageLicense[]): string {
  const part = ({ package: name, version, license, text }: PackageLicense): string =>
    `${name} ${version} (${license}), whose weights model.onnx holds\n\n${text.trim()}\n`;
  return licenses.map(part).join(`\n${'-'.repeat(80)}\n\n`);
}

/**
 * Writes a trained run as standard ONNX: `head.onnx` (features to everything that the head says), `model.onnx` (the same
 * from pixels and token ids, as far as the encoders are the embedded ones), and `card.json`, which explains them.
 * @throws DataError when there is no such run or the folder cannot be written; CheckpointError when the checkpoint is
 *   truncated, damaged or of another model; ConfigurationError when the folder is occupied, for a method that reads tokens
 *   or needs both modalities, for a module of the user's own that was not loaded, and for a method of the user's own that
 *   cannot be traced
 */
export async function exportRun(path: string, options: ExportOptions): Promise<ExportResult> {
  const { checkpoint, allowDownload = false } = options;
  const run = headOf(
    await openRun(path, checkpoint, (config, ids) => openTrainedEncoders(config, { ids, allowDownload })),
  );
  assertPooled(run);
  await prepareOutput(options.out, options.overwrite ?? false);
  const { encoders, notes } = await chooseEncoders(run, options.headOnly ?? false);
  assertTokens(options, encoders);
  const embedded = MODALITIES.filter((modality) => encoders[modality] !== undefined);
  const head = headFunction(run);
  const models = [await build('head.onnx', head, headInputs(run.description), run, options)];
  if (embedded.length > 0) {
    const inputs = await modelInputs(run.description, encoders, options.tokens);
    models.push(await build('model.onnx', wholeModel(head, encoders), inputs, run, options));
  }
  const licenses = await Promise.all(embedded.map(readPackageLicense));
  const card = await createCard({ run, encoders, models, licenses, notes });
  const files = new Map<string, string | Uint8Array>(models.map(({ file, bytes }) => [file, bytes]));
  if (encoders.text !== undefined) files.set(VOCABULARY_FILE, `${JSON.stringify(await readVocabulary())}\n`);
  if (licenses.length > 0) files.set('licenses.txt', licenseText(licenses));
  options.onProgress?.('Writing');
  await writeOutput(options.out, files, card);
  return { card, written: [...files.keys(), CARD_FILE].map((name) => join(options.out, name)) };
}
