import { randomUUID } from 'node:crypto';
import { rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { SplitName, Dataset, PostRecord } from '@drf/datasets';
import { formatStrategy } from '@drf/disruption';
import { methodNeeds, RunFolder, type ExperimentConfig, type ExperimentData, type Versions } from '@drf/experiment';
import { contentHash } from '@drf/files';
import { DataError, refuser, type Modality } from '@drf/tensor';
import { keepFreedMemory, train, type Display } from '@drf/training';
import type { UnitProgress } from '@drf/units';
import { formatCell } from '../cells.js';
import { evaluateRun } from '../evaluate.js';
import type { TrainingRecord } from '../store/records.js';
import { trainingRecord } from '../store/training-record.js';
import type { Workspace } from '../workspace.js';
import type { ExperimentFacts, FeatureTask, TrainingTask } from './tasks.js';

/** What tasks have in common. */
export interface TaskSetting {
  /** Folder of the grid or tuning. */
  readonly folder: string;
  /** Folder of the feature cache. */
  readonly cache: string;
  /** Split to evaluate; null: test if it has posts, else val. */
  readonly split: 'train' | 'val' | 'test' | null;
  /** Read once for all trainings. */
  readonly versions: Versions;
}

/** What a task needs of its worker. */
export interface Surroundings {
  readonly workspace: Workspace;
  readonly setting: TaskSetting;
  readonly report: (progress: UnitProgress) => void;
  readonly signal?: AbortSignal;
}

/** Opens an experiment's data and encoders, to know what decides its results. */
export async function describeExperiment(
  config: ExperimentConfig,
  { workspace, setting, report }: Surroundings,
): Promise<ExperimentFacts> {
  report({ what: `opening ${config.name}`, done: 0, total: 1 });
  const data = await workspace.data(config.dataset);
  const session = await workspace.session(config);
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
function evaluatedSplit({ splits }: ExperimentData, { split }: TaskSetting): SplitName {
  return split ?? (splits.test.length > 0 ? 'test' : 'val');
}

/** Hash of posts with their contents as decoded; a post that cannot be read counts by its message. */
async function contentOf(dataset: Dataset, records: readonly PostRecord[]): Promise<string> {
  const parts: string[] = [];
  for (const record of records) {
    const hash = async (modality: Modality): Promise<string> =>
      record[modality] === null
        ? ''
        : dataset.contentHash(record, modality).catch((error: unknown) => `unreadable: ${String(error)}`);
    parts.push(record.id, String(record.label), await hash('image'), await hash('text'));
  }
  return contentHash(...parts);
}

/** Encodes posts under a disruption, so that the cache has them. @returns messages about posts that cannot be read */
export async function encodeFeatures(
  { config, strategy, posts }: FeatureTask,
  { workspace, setting, report, signal }: Surroundings,
): Promise<string[]> {
  const data = await workspace.data(config.dataset);
  const session = await workspace.session(config);
  const splits: SplitName[] = posts === 'training' ? ['train', 'val'] : [evaluatedSplit(data, setting)];
  const unreadable = new Map<string, string>();
  for (const split of splits) {
    const where = `of ${split}, ${formatStrategy(strategy)}, seed ${config.seed}`;
    await workspace.encode({
      dataset: data.dataset,
      records: data.splits[split],
      strategy,
      seed: config.seed,
      session,
      cache: setting.cache,
      needs: methodNeeds(config),
      batchSize: config.encoders.batchSize,
      job: (label) => ({
        update: (done, total) => report({ what: `${label.toLowerCase()} ${where}`, done, total }),
        stop: () => undefined,
      }),
      onRowError: (message, id) => void unreadable.set(id, message),
      signal,
    });
  }
  return [...unreadable.values()];
}

/** Trains, unless the run is there already, and evaluates. */
export async function performTraining(task: TrainingTask, surroundings: Surroundings): Promise<TrainingRecord> {
  const { workspace, setting, signal } = surroundings;
  const startedAt = performance.now();
  let memoryBytes = process.memoryUsage.rss();
  const report: Surroundings['report'] = (progress) => {
    memoryBytes = Math.max(memoryBytes, process.memoryUsage.rss());
    surroundings.report(progress);
  };
  const folder = join(setting.folder, task.folder);
  const finished = await finishedRun(folder);
  const run = finished ?? (await trainRun(task.config, folder, { ...surroundings, report }));
  const seconds = (performance.now() - startedAt) / 1000;
  surroundings.report({ what: 'evaluating', done: 0, total: task.cells.length });
  const evaluation = await evaluateRun(run.path, {
    workspace,
    cache: setting.cache,
    cells: task.cells.map(({ testedOn }) => testedOn),
    split: setting.split ?? undefined,
    signal,
    details: true,
    posts: 0,
  });
  signal?.throwIfAborted();
  const record = await trainingRecord(evaluation, task.keepFeatures);
  const identities = new Map(task.cells.map((cell) => [formatCell(cell), cell.identity]));
  const cells = record.cells.flatMap((cell) => {
    const identity = identities.get(formatCell(cell));
    return identity === undefined ? [] : [{ ...cell, identity }]; // the clean cell is evaluated in any case
  });
  // a run that was there already has the time of its epochs in the record, and its memory nobody knows any more
  const cost = finished === undefined ? { seconds, memoryBytes } : {};
  return { ...record, ...task, ...cost, cells };
}

/** A run that has its result. */
export async function finishedRun(folder: string): Promise<RunFolder | undefined> {
  const run = await RunFolder.open(folder).catch(() => undefined);
  const best = await run?.readBest().catch(() => undefined);
  return best === undefined ? undefined : run;
}

/** How the folder of a run that is still trained ends. */
export const PARTIAL = '.partial';

/**
 * Trains in a folder of its own, which takes its name at the end: where the same training runs twice at once, both end
 * well, and the first one stays.
 */
async function trainRun(
  config: ExperimentConfig,
  folder: string,
  { workspace, setting, report, signal }: Surroundings,
): Promise<RunFolder> {
  const partial = `${folder}.${randomUUID()}${PARTIAL}`;
  try {
    await keepFreedMemory(config);
    const { outcome } = await train({
      config,
      run: await RunFolder.create(partial, { overwrite: true }),
      resume: false,
      cache: setting.cache,
      display: displayOf(report),
      signal,
      resultOnly: true,
      services: {
        openData: (dataset) => workspace.data(dataset),
        startSession: (own) => workspace.session(own),
        encode: workspace.encode,
        readVersions: () => Promise.resolve(setting.versions),
      },
    });
    if (outcome === 'interrupted') throw signal?.reason ?? new Error('interrupted');
    await rename(partial, folder).catch(async (error: unknown) => {
      if ((await finishedRun(folder)) !== undefined) return;
      const refuse = refuser(DataError, `Run folder ${folder}`);
      throw refuse('nothing there, or a finished run', 'something else', 'remove it', error);
    });
  } finally {
    await rm(partial, { recursive: true, force: true });
  }
  return RunFolder.open(folder);
}

/** Steps as progress; nothing else of a training is shown. */
export function displayOf(report: (progress: UnitProgress) => void): Display {
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
