import { existsSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { readVersions } from '@drf/experiment';
import { lockFile, type FileLock } from '@drf/files';
import { DataError } from '@drf/tensor';
import { ResultStore, STORE_NAME } from '../store/result-store.js';
import { workOff, type Failure } from './crew.js';
import { EncodedSets } from './encoded-sets.js';
import type { GridDisplay } from './grid-display.js';
import type { ExperimentFacts, FeatureTask, TrainingTask, WorkerSetting } from './messages.js';
import { planGrid, type PlannedTraining, type PlanOptions } from './plan.js';
import { availableResources, BYTES_A_WORKER, workersThatFit } from './resources.js';
import { RESULT_VERSION } from './identity.js';
import { factsKey, featureTasks, remainingTasks, stepsOf } from './tasks.js';
import { TaskFailure, WorkerProcess } from './worker-process.js';

export interface GridOptions extends PlanOptions {
  /** Folder of the grid: the store, and a run for each training. */
  readonly folder: string;
  /** Folder of the feature cache. */
  readonly cache: string;
  readonly split: WorkerSetting['split'];
  /** Processes side by side; default: as many as cores and memory allow. */
  readonly jobs?: number;
  /** Take results of any version of the code. */
  readonly anyCode?: boolean;
  /** Only say what would be done. */
  readonly dryRun?: boolean;
  readonly display: GridDisplay;
  readonly signal?: AbortSignal;
}

/** What was done, or is to be done. */
export interface GridOutcome {
  readonly store: string;
  /** Trainings and cells of the whole plan. */
  readonly planned: { readonly trainings: number; readonly cells: number };
  /** Of these, what the store lacked at the start. */
  readonly due: { readonly trainings: number; readonly cells: number; readonly featureSets: number };
  /** What was done now. */
  readonly done: { readonly trainings: number; readonly cells: number };
  readonly workers: number;
  /** Of what is due, from the mean time of like trainings in the store; null without any. */
  readonly estimatedSeconds: number | null;
  readonly seconds: number;
  /** Mean wall time of a training with its cells now; null without any. */
  readonly secondsATraining: number | null;
  readonly failures: readonly { readonly what: string; readonly reason: string }[];
  readonly interrupted: boolean;
}

/**
 * Fills a store with the cells of a grid: features first, then trainings side by side in processes of one thread each.
 * What the store has is not computed again; a training goes into it whole with its cells, so whatever ends this
 * program loses the trainings that were running and nothing else.
 * @throws ConfigurationError for an unknown option; DataError when another program fills the store, or data cannot be
 *   opened
 */
export async function runGrid(options: GridOptions): Promise<GridOutcome> {
  const startedAt = performance.now();
  const plan = planGrid(options);
  const storePath = join(options.folder, STORE_NAME);
  const lock = options.dryRun === true ? undefined : await lockGrid(options.folder);
  const isOnlyPlanned = options.dryRun === true && !existsSync(storePath); // leaves no trace
  try {
    const store = new ResultStore(
      isOnlyPlanned ? ':memory:' : storePath,
      options.dryRun === true && !isOnlyPlanned ? 'read' : 'write',
    );
    try {
      return await fill(options, plan, store, storePath, startedAt);
    } finally {
      store.close();
    }
  } finally {
    await lock?.release();
  }
}

/** One program at a time fills a grid's store. @throws DataError when another one does */
export async function lockGrid(folder: string): Promise<FileLock> {
  await mkdir(folder, { recursive: true });
  return lockFile(join(folder, 'grid.lock'), `Result store ${join(folder, STORE_NAME)}`);
}

async function fill(
  options: GridOptions,
  plan: readonly PlannedTraining[],
  store: ResultStore,
  storePath: string,
  startedAt: number,
): Promise<GridOutcome> {
  const { display, signal, folder, anyCode = false } = options;
  const resources = await availableResources();
  const versions = await readVersions();
  const setting = (threads: number, workers: number): WorkerSetting => ({
    threads,
    cache: options.cache,
    split: options.split,
    memoryBytes: Math.min(BYTES_A_WORKER / 3, resources.memoryBytes / (4 * workers)),
    versions,
  });
  const scout = new WorkerProcess(setting(resources.cores, 1));
  try {
    const facts = await describe(scout, plan, display);
    const tasks = remainingTasks(plan, { folder, facts, known: store.known(anyCode ? undefined : RESULT_VERSION) });
    const encoded = await EncodedSets.open(options.cache);
    const factsOf = (task: FeatureTask): ExperimentFacts => facts.get(factsKey(task)) as ExperimentFacts;
    const features = featureTasks(tasks).filter((task) => !encoded.has(task, factsOf(task)));
    const workers = Math.min(options.jobs ?? workersThatFit(resources), Math.max(1, tasks.length));
    const before = {
      store: storePath,
      planned: { trainings: plan.length, cells: plan.reduce((sum, { cells }) => sum + cells.length, 0) },
      due: {
        trainings: tasks.length,
        cells: tasks.reduce((sum, { cells }) => sum + cells.length, 0),
        featureSets: features.length,
      },
      workers,
      estimatedSeconds: estimate(tasks, store.secondsByMethod(), workers),
    };
    display.plan(before);
    const nothing = { done: { trainings: 0, cells: 0 }, failures: [], secondsATraining: null };
    const isAborted = (): boolean => signal?.aborted === true;
    const elapsed = (): number => (performance.now() - startedAt) / 1000;
    if (options.dryRun === true || tasks.length === 0) {
      return { ...before, ...nothing, seconds: elapsed(), interrupted: false };
    }
    const keep = (task: FeatureTask): Promise<void> => encoded.add(task, factsOf(task));
    const lost = await encodeAll(scout, setting(resources.cores, 1), features, keep, options);
    await scout.stop();
    if (isAborted()) {
      return { ...before, ...nothing, failures: lost.map(nameFeatures), seconds: elapsed(), interrupted: true };
    }
    const threads = Math.max(1, Math.floor(resources.cores / workers));
    const trained = await trainAll(
      () => new WorkerProcess(setting(threads, workers)),
      workers,
      tasks,
      facts,
      store,
      options,
    );
    return {
      ...before,
      done: trained.done,
      secondsATraining: trained.secondsATraining,
      seconds: elapsed(),
      failures: [...lost.map(nameFeatures), ...trained.failures.map(nameTraining)],
      interrupted: isAborted(),
    };
  } finally {
    await scout.stop();
  }
}

/** Facts of each experiment by name. @throws DataError with the reason that the worker gives */
async function describe(
  worker: WorkerProcess,
  plan: readonly PlannedTraining[],
  display: GridDisplay,
): Promise<Map<string, ExperimentFacts>> {
  const facts = new Map<string, ExperimentFacts>();
  for (const planned of plan) {
    const { config } = planned;
    const experiment = factsKey(planned);
    if (facts.has(experiment)) continue;
    display.say(`Reading ${experiment} …`);
    try {
      const found = await worker.ask({ kind: 'describe', config });
      facts.set(experiment, found);
      display.facts(experiment, found);
    } catch (error) {
      if (!(error instanceof TaskFailure)) throw error;
      throw new DataError(
        {
          subject: `Experiment ${experiment}`,
          expected: 'data and encoders that can be opened',
          received: error.message,
          remedy: 'try it alone: pnpm train',
        },
        { cause: error },
      );
    }
  }
  return facts;
}

/** Encodes with all cores in one process what the cache lacks; what fails here shows again in the trainings. */
async function encodeAll(
  first: WorkerProcess,
  setting: WorkerSetting,
  features: readonly FeatureTask[],
  onEncoded: (task: FeatureTask) => Promise<void>,
  { display, signal }: GridOptions,
): Promise<Failure<FeatureTask>[]> {
  const progress = display.progress('Features', features.length, 'sets');
  let [done, isFirst] = [0, true];
  const start = (): WorkerProcess => {
    const worker = isFirst && first.isAlive ? first : new WorkerProcess(setting);
    isFirst = false;
    return worker;
  };
  try {
    return await workOff({
      workers: 1,
      start,
      tasks: features,
      perform: async (worker, task) => {
        const { unreadable } = await worker.ask({ kind: 'encode', task }, ({ what, done: posts, total }) =>
          progress.update(done, `(${what} ${posts}/${total})`),
        );
        unreadable.forEach((message) => display.warn(message));
        if (unreadable.length === 0) await onEncoded(task);
        progress.update(++done);
      },
      signal,
    });
  } finally {
    progress.stop();
  }
}

async function trainAll(
  start: () => WorkerProcess,
  workers: number,
  tasks: readonly TrainingTask[],
  facts: ReadonlyMap<string, ExperimentFacts>,
  store: ResultStore,
  { display, signal }: GridOptions,
): Promise<{
  readonly done: GridOutcome['done'];
  readonly secondsATraining: number | null;
  readonly failures: readonly Failure<TrainingTask>[];
}> {
  const steps = new Map(tasks.map((task) => [task, stepsOf(task, facts)]));
  const total = [...steps.values()].reduce((sum, count) => sum + count, 0);
  const progress = display.progress('Trainings', total, 'steps');
  const lanes = new Map<number, number>();
  const done = { trainings: 0, cells: 0 };
  let [finished, failed, seconds] = [0, 0, 0];
  const show = (): void => {
    const running = [...lanes.values()].reduce((sum, count) => sum + count, 0);
    const failures = failed === 0 ? '' : `, ${failed} failed`;
    progress.update(finished + running, `(${done.trainings}/${tasks.length} trainings${failures})`);
  };
  try {
    const failures = await workOff({
      workers,
      start,
      tasks,
      perform: async (worker, task, lane) => {
        const startedAt = performance.now();
        try {
          const unit = await worker.ask({ kind: 'train', task }, ({ what, done: step }) => {
            if (what === 'training') lanes.set(lane, step);
            show();
          });
          store.add(unit);
          done.trainings++;
          done.cells += unit.cells.length;
          finished += steps.get(task) as number;
          seconds += (performance.now() - startedAt) / 1000;
        } finally {
          lanes.delete(lane);
          show();
        }
      },
      onFailure: (failure) => {
        failed++;
        finished += steps.get(failure.task) as number;
        const { what, reason } = nameTraining(failure);
        display.say(`failed: ${what}: ${reason.split('\n')[0]}`);
      },
      signal,
    });
    return { done, failures, secondsATraining: done.trainings === 0 ? null : seconds / done.trainings };
  } finally {
    progress.stop();
  }
}

/** From the mean time of like trainings; those of other methods where there is none. */
function estimate(tasks: readonly TrainingTask[], means: ReadonlyMap<string, number>, workers: number): number | null {
  if (tasks.length === 0) return 0;
  if (means.size === 0) return null;
  const overall = [...means.values()].reduce((sum, value) => sum + value, 0) / means.size;
  const total = tasks.reduce(
    (sum, { experiment, method }) => sum + (means.get(`${experiment} ${method}`) ?? overall),
    0,
  );
  return total / workers;
}

function nameTraining({ task, reason }: Failure<TrainingTask>): { what: string; reason: string } {
  const { method, without, config } = task;
  const part = without === null ? '' : ` ${without}`;
  const disruption = config.training.disruption === 'none' ? '' : `, trained on ${config.training.disruption}`;
  return { what: `${factsKey(task)} ${method}${part}${disruption}, seed ${config.seed}`, reason };
}

function nameFeatures({ task, reason }: Failure<FeatureTask>): { what: string; reason: string } {
  return { what: `features of ${task.posts} posts, ${task.strategy}, seed ${task.config.seed}`, reason };
}
