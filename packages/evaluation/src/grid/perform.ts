import { rm } from 'node:fs/promises';
import { parseStrategy } from '@drf/disruption';
import { methodNeeds, RunFolder, type ExperimentData, type SplitName } from '@drf/experiment';
import { contentHash } from '@drf/files';
import { train, type Display, type TrainServices } from '@drf/training';
import { formatCell, parseCell } from '../cells.js';
import { SILENT } from '../display.js';
import { evaluateRun, type Evaluation } from '../evaluate.js';
import type { TrainingRecord } from '../store/records.js';
import { trainingRecord } from '../store/training-record.js';
import { Workbench } from '../workbench.js';
import type {
  ExperimentFacts,
  FeatureTask,
  TrainingTask,
  WorkerAnswers,
  WorkerProgress,
  WorkerSetting,
} from './messages.js';
import { contentOf, type SharedWork } from './shared-work.js';

/** What a task needs of its worker. */
export interface Surroundings {
  readonly work: SharedWork;
  readonly setting: WorkerSetting;
  readonly report: (progress: WorkerProgress) => void;
  readonly signal?: AbortSignal;
}

/** Opens an experiment's data and encoders, to know what decides its results. */
export async function describeExperiment(
  config: TrainingTask['config'],
  { work, setting, report }: Surroundings,
): Promise<ExperimentFacts> {
  report({ what: `opening ${config.name}`, done: 0, total: 1 });
  const data = await work.openData(config.dataset);
  const session = await work.session(config);
  const split = evaluatedSplit(data, setting);
  const { dataset, splits } = data;
  return {
    encoders: { image: session.image.id, text: session.text.id },
    engine: session.engine.name,
    trainingData: contentHash(await contentOf(dataset, splits.train), await contentOf(dataset, splits.val)),
    evaluatedData: await contentOf(dataset, splits[split]),
    split,
    posts: { train: splits.train.length, val: splits.val.length, evaluated: splits[split].length },
    notes: [...data.notes, ...data.warnings],
  };
}

/** The split that is asked for, else test if it has posts, else val. */
function evaluatedSplit({ splits }: ExperimentData, { split }: WorkerSetting): SplitName {
  return split ?? (splits.test.length > 0 ? 'test' : 'val');
}

/** Encodes posts under a disruption, so that the cache has them. */
export async function encodeFeatures(
  { config, strategy, posts }: FeatureTask,
  { work, setting, report, signal }: Surroundings,
): Promise<WorkerAnswers['encode']> {
  const data = await work.openData(config.dataset);
  const session = await work.session(config);
  const splits: SplitName[] = posts === 'training' ? ['train', 'val'] : [evaluatedSplit(data, setting)];
  const unreadable = new Map<string, string>();
  for (const split of splits) {
    await work.encode({
      dataset: data.dataset,
      records: data.splits[split],
      strategy: parseStrategy(strategy),
      seed: config.seed,
      session,
      cache: setting.cache,
      needs: methodNeeds(config),
      batchSize: config.encoders.batchSize,
      job: (label) => ({
        update: (done, total) =>
          report({ what: `${label.toLowerCase()} of ${split}, ${strategy}, seed ${config.seed}`, done, total }),
        stop: () => undefined,
      }),
      onRowError: (message, id) => void unreadable.set(id, message),
      signal,
    });
  }
  return { unreadable: [...unreadable.values()] };
}

/** Trains, unless the run is there already, and evaluates. */
export async function performTraining(task: TrainingTask, surroundings: Surroundings): Promise<TrainingRecord> {
  const startedAt = performance.now();
  const run = (await finishedRun(task.folder)) ?? (await trainRun(task, surroundings));
  const seconds = (performance.now() - startedAt) / 1000;
  surroundings.report({ what: 'evaluating', done: 0, total: task.cells.length });
  const { work, setting, signal } = surroundings;
  const workbench = new Workbench(SILENT, {
    openDataset: (config) => work.openDataset(config),
    startSession: (config) => work.session(config),
    encode: work.encode,
  });
  const cells = task.cells.map(({ name }) => parseCell(name).testedOn);
  const evaluation = await evaluateRun(run.path, {
    workbench,
    cache: setting.cache,
    cells,
    split: setting.split ?? undefined,
    signal,
    details: true,
  });
  signal?.throwIfAborted();
  return recordOf(task, evaluation, seconds);
}

/** A run that has its result; what an interrupted training left is removed. */
async function finishedRun(folder: string): Promise<RunFolder | undefined> {
  const run = await RunFolder.open(folder).catch(() => undefined);
  if (run !== undefined && (await run.readBest().catch(() => undefined)) !== undefined) return run;
  await rm(folder, { recursive: true, force: true });
  return undefined;
}

async function trainRun(task: TrainingTask, { work, setting, report, signal }: Surroundings): Promise<RunFolder> {
  const run = await RunFolder.create(task.folder, { overwrite: true });
  const services: TrainServices = {
    openData: (config) => work.openData(config),
    startSession: (config) => work.session(config),
    encode: work.encode,
    readVersions: () => Promise.resolve(setting.versions),
  };
  const display = displayOf(report);
  const { config } = task;
  const { cache } = setting;
  const { outcome } = await train({ config, run, resume: false, cache, display, signal, resultOnly: true, services });
  if (outcome === 'interrupted') throw signal?.reason ?? new Error('interrupted');
  return run;
}

/** Steps as progress; nothing else of a training is shown. */
function displayOf(report: (progress: WorkerProgress) => void): Display {
  const nothing = (): void => undefined;
  return {
    data: nothing,
    decoded: nothing,
    lost: nothing,
    session: nothing,
    job: () => ({ update: nothing, stop: nothing }),
    warn: nothing,
    end: nothing,
    onEpoch: nothing,
    onStep: ({ step }, total) => report({ what: 'training', done: step, total }),
  };
}

async function recordOf(task: TrainingTask, evaluation: Evaluation, seconds: number): Promise<TrainingRecord> {
  const { identity, resultVersion, experiment, fold, method, without, config, storedFolder: folder } = task;
  const record = await trainingRecord(evaluation, task.keepFeatures);
  const identities = new Map(task.cells.map((cell) => [cell.name, cell.identity]));
  const cells = record.cells.flatMap((cell) => {
    const own = identities.get(formatCell(cell));
    return own === undefined ? [] : [{ ...cell, identity: own }]; // the clean cell is evaluated in any case
  });
  return { ...record, identity, resultVersion, experiment, fold, method, without, config, seconds, folder, cells };
}
