import { mkdir, rm } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import type { ExperimentConfig, ExperimentData, ExperimentFile, ExperimentInput, RunFolder } from '@drf/experiment';
import { ConfigurationError, refuser } from '@drf/tensor';
import type { PresetName, TrainOptions as TrainingOptions } from '@drf/training';
import { featureCache } from './cache.js';
import { InterruptedError } from './errors.js';
import { refuseUnknownOptions, type OptionNames } from './known-options.js';
import { loadOwnModules } from './own.js';
import { isRows, writeRows, type Data, type Files } from './posts.js';
import { startStage, type TrainEvent } from './progress.js';
import { openRun, type Run } from './run.js';

/** Options of an experiment, those that are to differ from the experiment's own. */
export type ExperimentOptions = Omit<Partial<ExperimentInput>, 'dataset'> & {
  readonly dataset?: Partial<ExperimentInput['dataset']>;
};

/** What a training needs beside what is trained. */
interface Surroundings {
  /** Folder of the feature cache. Default: below the user's cache folder, as of the command `drf`. */
  readonly cache?: string;
  /** Whether encoders that a resumed run names and the cache lacks may be fetched. A new run's are. Default false. */
  readonly allowDownload?: boolean;
  /** Further modules of your own, by file or package. Those that options name are loaded anyway. */
  readonly own?: readonly string[];
  /** An MLflow server that is told how the training goes: `mlflow:http://127.0.0.1:5000/my-experiment`. */
  readonly track?: string;
  /** Told how far it is, in order. What it throws ends the training. */
  readonly onProgress?: (event: TrainEvent) => void;
  /**
   * When it aborts, a checkpoint is saved, and the call ends with an {@link InterruptedError}, whose `folder` goes on by
   * `train({ resume: folder })`. `AbortSignal.timeout(ms)` is a limit of time.
   */
  readonly signal?: AbortSignal;
}

interface NewTraining extends Surroundings {
  /**
   * What it starts from: a name (`quickstart`, `mvsa-s`, …), a file, or an object. Default, with `data`: options that fit
   * the number of posts.
   */
  readonly experiment?: string | ExperimentFile;
  /**
   * Options by what a training may cost, laid over the experiment's: `fast` (frozen encoders that come along), `balanced`
   * (the text encoder is fine-tuned) or `best` (both are, in five folds that judge together). `method`, `options` and the
   * others count more. A call trains one run, so with `best` it trains the fold that `options: { dataset: { fold: 1 } }`
   * names; `load` opens the folders of all five as one. Encoders to be tuned come from the Hugging Face hub, or from the
   * folders that `options: { encoders: { text, image } }` name.
   */
  readonly preset?: PresetName;
  /** `drf` (default), `concatenation`, `mvan`, … or a module of your own, "./my-method.js". */
  readonly method?: ExperimentInput['method'];
  /** Decides everything random. Default 0. */
  readonly seed?: number;
  /** Any other option: `{ training: { epochs: 20 }, dataset: { folds: 5, fold: 1 } }`. */
  readonly options?: ExperimentOptions;
  /** Folder that image paths are relative to. Default: that of the file; of rows in memory, the working folder. */
  readonly root?: string;
  /** The run's folder. Default: a new one, `runs/NAME-METHOD-seedSEED`, with a number behind it where there is one. */
  readonly out?: string;
  /** Whether a run that lies in `out` gives way. Default false. */
  readonly overwrite?: boolean;
  /**
   * Posts of the test split that the run keeps, with text and small image, for its page to be tried on. Default: 6 of
   * posts of your own, none of public data sets.
   */
  readonly examples?: number;
  readonly resume?: undefined;
}

interface Resumed extends Surroundings {
  /** A run that was interrupted: it goes on exactly as if it had not stopped, by its own options. */
  readonly resume: string;
  readonly data?: undefined;
}

/** What to train: posts, an experiment that names its own, or an interrupted run. */
export type TrainOptions =
  (NewTraining & (Data | { readonly data?: undefined; readonly columns?: undefined })) | Resumed;

/**
 * Trains a model on image-text posts: reads them, splits them, encodes them, trains, and keeps the best epoch, all in a
 * folder, the run. The same posts, options and seed give the same run, from files and from memory.
 *
 * ```ts
 * const run = await train({ data: 'posts.csv' });
 * const other = await train({ data: [{ text: 'Lovely', image: bytes, label: 'good' }, …], method: 'concatenation', seed: 1 });
 * ```
 * @throws ConfigurationError for options that are unknown or out of range, by name; UnusableDataError, with the ledger, where
 *   too few posts can be used; DataError for files that are missing; InterruptedError when the signal aborts
 */
export async function train(options: TrainOptions): Promise<Run> {
  const { signal } = options;
  let folder: string | null = null;
  try {
    signal?.throwIfAborted();
    const prepared = options.resume === undefined ? await prepare(options) : await reopen(options);
    folder = prepared.run.path;
    return await trained(prepared, options);
  } catch (error) {
    if (signal?.aborted !== true || error !== signal.reason) throw error;
    const { RunFolder } = await import('@drf/experiment');
    const steps = folder === null ? [] : await RunFolder.open(folder).then((run) => run.checkpointSteps(), () => []); // prettier-ignore
    throw interrupted(steps.length === 0 ? null : folder, error);
  }
}

function interrupted(folder: string | null, reason: unknown): InterruptedError {
  const remedy =
    folder === null ? 'train again; features that were computed are kept' : `go on by train({ resume: '${folder}' })`;
  return new InterruptedError('The training', folder, remedy, reason);
}

/** A training that can begin. */
interface Prepared {
  readonly config: ExperimentConfig;
  readonly run: RunFolder;
  readonly resume: boolean;
  /** Posts that are read already. */
  readonly data?: ExperimentData;
  /** Whether the folder is one that this call chose and made. */
  readonly isOwnFolder?: boolean;
}

async function trained(prepared: Prepared, options: TrainOptions): Promise<Run> {
  const { config, run, resume, data, isOwnFolder = false } = prepared;
  const { signal, cache = await featureCache(), allowDownload = false, onProgress, own = [] } = options;
  const { departuresFromLetter } = await import('@drf/experiment');
  const { openTracker, train: trainRun } = await import('@drf/training');
  const { trainingEvents } = await import('./training-events.js');
  const services: TrainingOptions['services'] = data === undefined ? {} : { openData: () => Promise.resolve(data) };
  try {
    const display = trainingEvents(onProgress);
    const departures = resume ? [] : departuresFromLetter(config);
    if (departures.length > 0) display.warn(`drf-paper is not the paper to the letter here: ${departures.join(', ')}`);
    const tracker = options.track === undefined ? undefined : openTracker(options.track);
    const examples = options.resume === undefined ? options.examples : undefined;
    const result = await trainRun({
      config,
      run,
      resume,
      cache,
      display,
      signal,
      allowDownload,
      services,
      examples,
      tracker,
    });
    if (result.outcome === 'interrupted') throw interrupted(run.path, signal?.reason);
  } catch (error) {
    // a folder that nobody named and that holds nothing to go on with would only be in the way
    if (isOwnFolder && (await run.checkpointSteps()).length === 0) await rm(run.path, { recursive: true, force: true });
    throw error;
  }
  return openRun(run.path, { allowDownload, own });
}

/** @throws ConfigurationError for options beside `resume` that would change what the run is */
async function reopen({
  resume,
  cache,
  allowDownload,
  own = [],
  track,
  onProgress,
  signal,
  ...others
}: Resumed): Promise<Prepared> {
  void [cache, allowDownload, track, onProgress, signal];
  const changed = Object.entries(others).filter(([, value]) => value !== undefined);
  if (changed.length > 0) {
    const names = changed.map(([name]) => name).join(', ');
    const refuse = refuser(ConfigurationError, 'train, option resume');
    throw refuse('no option beside it that changes the run, which goes on as it was configured', names, 'leave it out');
  }
  await loadOwnModules(own);
  const { RunFolder } = await import('@drf/experiment');
  const run = await RunFolder.open(resume);
  return { config: (await run.readDescription()).config, run, resume: true };
}

type New = Exclude<TrainOptions, Resumed>;

const NAMES: OptionNames<keyof NewTraining | 'data' | 'columns'> = {
  data: true,
  columns: true,
  root: true,
  experiment: true,
  preset: true,
  method: true,
  seed: true,
  options: true,
  out: true,
  overwrite: true,
  examples: true,
  resume: true,
  cache: true,
  allowDownload: true,
  own: true,
  track: true,
  onProgress: true,
  signal: true,
};
const ELSEWHERE =
  'options of an experiment go into options, such as train({ data, options: { training: { epochs: 20 } } })';

async function prepare(options: New): Promise<Prepared> {
  refuseUnknownOptions('train', options, NAMES, ELSEWHERE);
  const { data, experiment, preset, onProgress } = options;
  const { chooseExperiment, trainsAllFolds } = await import('@drf/training');
  const overrides = overridesOf(options);
  if (trainsAllFolds(preset, options.options?.dataset?.fold)) throw namesNoFold(preset);
  await loadOwnModules([...(options.own ?? []), ...(await modulesIn(overrides))]);
  if (data === undefined) {
    if (experiment === undefined) throw nothingToTrain();
    const config = (await chooseExperiment({ experiment, preset, overrides })).configure({});
    return { config, ...(await makeFolder(config, options)), resume: false };
  }
  if (isRows(data)) return prepareRows(data, options, overrides);
  const reading = startStage(onProgress, 'Reading posts', 'posts');
  const files = [data].flat();
  const chosen = await chooseExperiment({ experiment, data: files, preset, overrides, onProgress: reading.update });
  const config = chosen.configure({});
  return { config, data: chosen.data, ...(await makeFolder(config, options)), resume: false };
}

/** Rows are kept in the run, so that it can be evaluated, and go on, without whoever had them in memory. */
async function prepareRows(
  rows: Exclude<New['data'], Files | undefined>,
  options: New,
  overrides: Readonly<Record<string, unknown>>,
): Promise<Prepared> {
  const { mergeConfig } = await import('@drf/experiment');
  const { openOwnData, ownConfig, readExperiment } = await import('@drf/training');
  const { experiment: named, preset } = options;
  const experiment = typeof named === 'string' ? await readExperiment(named) : named;
  const own = mergeConfig({ name: 'posts' }, overrides) as Record<string, unknown>;
  const choice = { files: ['rows.jsonl'], experiment, preset, overrides: own };
  const folder = await makeFolder(ownConfig(choice, 0), options);
  const { run } = folder;
  try {
    const { root, file } = await writeRows(run.rowsFile, rows, options, (event) => options.onProgress?.(event));
    const rooted = root === undefined ? own : (mergeConfig(own, { dataset: { root } }) as typeof own);
    const reading = startStage(options.onProgress, 'Reading posts', 'posts');
    return { ...(await openOwnData({ ...choice, files: [file], overrides: rooted }, reading.update)), ...folder, resume: false }; // prettier-ignore
  } catch (error) {
    if (folder.isOwnFolder) await rm(run.path, { recursive: true, force: true });
    throw error;
  }
}

/** Options that have a name of their own, and `options`, as one layer over the experiment. */
function overridesOf({ method, seed, columns, root, options = {} }: New): Record<string, unknown> {
  const given = (value: object): object =>
    Object.fromEntries(Object.entries(value).filter(([, each]) => each !== undefined));
  const dataset: NonNullable<ExperimentOptions['dataset']> = { ...options.dataset, ...given({ columns, root: root === undefined ? undefined : resolve(root) }) }; // prettier-ignore
  return { ...options, ...given({ method, seed }), ...(Object.keys(dataset).length > 0 ? { dataset } : {}) };
}

/** Modules of the user's own that options name. */
async function modulesIn(value: unknown): Promise<string[]> {
  const { moduleOf } = await import('@drf/disruption');
  const { method, dataset, encoders, training } = value as ExperimentOptions;
  const named = [method, dataset?.name, encoders?.image, encoders?.text, training?.disruption];
  return named.flatMap((text) => (typeof text === 'string' ? (moduleOf(text) ?? []) : []));
}

async function makeFolder(
  config: ExperimentConfig,
  { out, overwrite = false }: New,
): Promise<{ run: RunFolder; isOwnFolder: boolean }> {
  const { RunFolder } = await import('@drf/experiment');
  if (out !== undefined) return { run: await RunFolder.create(out, { overwrite }), isOwnFolder: false };
  const { runName } = await import('@drf/training');
  return { run: await RunFolder.create(await newFolder(join('runs', runName(config))), { overwrite: false }), isOwnFolder: true }; // prettier-ignore
}

/** A folder that this call makes, however many others look for one at the same time. */
async function newFolder(wanted: string): Promise<string> {
  await mkdir(dirname(wanted), { recursive: true });
  for (let number = 1; ; number++) {
    const path = number === 1 ? wanted : `${wanted}-${number}`;
    const isMade = await mkdir(path).then(
      () => true,
      (error: NodeJS.ErrnoException) => {
        if (error.code === 'EEXIST') return false;
        throw error;
      },
    );
    if (isMade) return path;
  }
}

function namesNoFold(preset: PresetName | undefined): ConfigurationError {
  const refuse = refuser(ConfigurationError, `train, preset ${preset}`);
  const remedy =
    'train each by a call of its own, options: { dataset: { fold: 1 } } and so on, and judge by load([their folders])';
  return refuse('the one of its folds that this call trains', 'none', remedy);
}

function nothingToTrain(): ConfigurationError {
  const refuse = refuser(ConfigurationError, 'train');
  return refuse('data, an experiment, or a run to resume', 'none of them', "begin with train({ data: 'posts.csv' })");
}
