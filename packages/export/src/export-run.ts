import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { compile, type ModelNotes } from '@drf/engine';
import {
  headOf,
  MODEL_CARD_FILE,
  modelCard,
  type OpenedRun,
  openRun,
  openTrainedEncoders,
  readModelCardFacts,
} from '@drf/experiment';
import { CARD_FILE, type Card } from '@drf/judge/card';
import { decodeModel, encodeModel } from '@drf/onnx';
import { ConfigurationError, type Host, isOwnId, MODALITIES, refuser } from '@drf/tensor';
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
import { describeLoss, measureLoss, type PrecisionLoss } from './measure-loss.js';
import { foldConstants } from './onnx/fold-constants.js';
import type { Precision } from './names.js';
import { densityConstants, withPrecision } from './onnx/precision.js';
import { forAnyBatch } from './onnx/any-batch.js';
import { prepareOutput, writeOutput } from './output-folder.js';

/** A number of posts, or any number. */
export type BatchSize = number | 'dynamic';

export interface ExportOptions {
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
  /** Copy the run's example posts, too, which are of its data: whoever has the export can see them. Default: not. */
  readonly examples?: boolean;
  /** How weights are stored; default float32. */
  readonly precision?: Precision;
  /**
   * Most validation posts of the run that are judged in float32 and in the other precision, so that the card says what it
   * costs; 0: none. Default 200.
   */
  readonly measure?: number;
  /** Nothing is written when it is aborted. */
  readonly signal?: AbortSignal;
  /** Told what is being done. */
  readonly onProgress?: (message: string) => void;
  /** Told of each post that is judged to measure. */
  readonly onMeasured?: (done: number, total: number) => void;
}

const MEASURED_POSTS = 200;

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
    const model = await foldConstants(batch === 'dynamic' ? await forAnyBatch(traceAt) : decodeModel(traceAt(batch)));
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

/** What each file of an export is for. */
const PURPOSES: Readonly<Record<string, string>> = {
  'head.onnx': 'everything above the encoders: features to probabilities, weights of pairs, densities',
  'model.onnx': 'the same with the encoders: pixels and token ids to probabilities',
  'vocabulary.json': 'word pieces of the text encoder in model.onnx',
  'licenses.txt': 'licenses of the weights in model.onnx',
  [CARD_FILE]: 'labels, inputs, outputs, preprocessing and calibration, for programs',
};

function purposes(names: Iterable<string>): ReadonlyMap<string, string> {
  return new Map([...names, CARD_FILE].map((name) => [name, PURPOSES[name] ?? '']));
}

/**
 * Writes a trained run as standard ONNX: `head.onnx` (features to everything that the head says), `model.onnx` (the same
 * from pixels and token ids, as far as the encoders are the embedded ones), and `card.json`, which explains
 * them to programs; `README.md` does so to people.
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
  const facts = await readModelCardFacts(run.folder, run.checkpoint);
  /** @param further what the cards say beside what they always do, for people */
  const filesOf = async (
    built: readonly BuiltModel[],
    further: readonly string[] = [],
  ): Promise<Map<string, string | Uint8Array>> => {
    const files = new Map<string, string | Uint8Array>(built.map(({ file, bytes }) => [file, bytes]));
    if (encoders.text !== undefined) files.set(VOCABULARY_FILE, `${JSON.stringify(await readVocabulary())}\n`);
    if (licenses.length > 0) files.set('licenses.txt', licenseText(licenses));
    const calibration = [...facts.calibration, ...further];
    files.set(MODEL_CARD_FILE, await modelCard({ ...facts, calibration, files: purposes(files.keys()) }));
    return files;
  };
  const cardOf = (built: readonly BuiltModel[]): Promise<Card> =>
    createCard({ run, encoders, models: built, licenses, notes });
  const { precision = 'float32' } = options;
  const smaller = inPrecision(models, precision);
  const write = async (out: string, built: readonly BuiltModel[]): Promise<void> =>
    writeOutput(out, await filesOf(built), await cardOf(built));
  const loss = precision === 'float32' ? null : await lossOf(run, { float32: models, smaller }, write, options);
  const files = await filesOf(smaller, loss === null ? [] : describeLoss(precision, loss));
  const card = loss === null ? await cardOf(smaller) : withLoss(await cardOf(smaller), precision, loss);
  if (options.examples === true) for (const [name, content] of await exampleFiles(run)) files.set(name, content);
  options.signal?.throwIfAborted();
  options.onProgress?.('Writing');
  await writeOutput(options.out, files, card);
  return { card, written: [...files.keys(), CARD_FILE].map((name) => join(options.out, name)) };
}

/** The example posts that training kept in a run, as files of an export. @throws ConfigurationError where there are none */
async function exampleFiles({ folder }: OpenedRun): Promise<Map<string, Uint8Array>> {
  const entries = await readdir(folder.file('examples'), { withFileTypes: true }).catch(() => []);
  const names = entries.filter((own) => own.isFile() && /^(\d+\.jpg|examples\.json)$/.test(own.name));
  if (!names.some(({ name }) => name === 'examples.json')) {
    throw refuser(ConfigurationError, 'export --examples')(
      'example posts in the run (examples/)',
      'none',
      'leave --examples out, or train again with --examples 6',
    );
  }
  return new Map(
    await Promise.all(
      names.map(async ({ name }) => [`examples/${name}`, await readFile(folder.file('examples', name))] as const),
    ),
  );
}

/** The models with their weights in another precision. The first is the head. */
function inPrecision(models: readonly BuiltModel[], precision: Precision): readonly BuiltModel[] {
  if (precision === 'float32') return models;
  const isKept = densityConstants((models[0] as BuiltModel).model);
  return models.map((built) => {
    const model = withPrecision(built.model, precision, isKept);
    return { ...built, model, bytes: encodeModel(model) };
  });
}

/** Judges by both from folders that go afterwards. @returns why it was not measured, where it was not */
async function lossOf(
  run: OpenedRun,
  models: { readonly float32: readonly BuiltModel[]; readonly smaller: readonly BuiltModel[] },
  write: (out: string, built: readonly BuiltModel[]) => Promise<void>,
  { measure = MEASURED_POSTS, signal, onProgress, onMeasured }: ExportOptions,
): Promise<PrecisionLoss | string> {
  if (measure === 0) return 'it was not asked for';
  const [float32, smaller] = [wholeOf(models.float32), wholeOf(models.smaller)];
  if (float32 === undefined || smaller === undefined) {
    return 'posts can be judged only by a model.onnx that reads images and texts as they are';
  }
  onProgress?.('Judging validation posts to measure what the precision costs');
  const folder = await mkdtemp(join(tmpdir(), 'drf-export-'));
  try {
    const folders = { float32: join(folder, 'float32'), smaller: join(folder, 'smaller') };
    for (const name of ['float32', 'smaller'] as const) await write(folders[name], models[name]);
    const bytes = { float32: float32.bytes.byteLength, smaller: smaller.bytes.byteLength };
    return await measureLoss(run, folders, bytes, { posts: measure, signal, onProgress: onMeasured });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** The model that reads pixels and word pieces, where there is one. */
function wholeOf(models: readonly BuiltModel[]): BuiltModel | undefined {
  const reads = (built: BuiltModel, name: string): boolean => built.inputs.some((input) => input.name === name);
  return models.find((built) => reads(built, 'pixels') && reads(built, 'tokens'));
}

function withLoss(card: Card, precision: Precision, loss: PrecisionLoss | string): Card {
  const measured = typeof loss === 'string' ? { measured: null, reason: loss } : { measured: loss };
  return {
    ...card,
    precision: { weights: precision, computed: 'float32', ...measured },
    notes: [...(card.notes ?? []), ...describeLoss(precision, loss)],
  };
}
