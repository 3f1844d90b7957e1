import { existsSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { formatStrategy } from '@drf/disruption';
import { readVersions } from '@drf/experiment';
import { lockFile, type FileLock } from '@drf/files';
import { DataError } from '@drf/tensor';
import { formatDuration, startProgress, type Progress, spell } from '@drf/terminal';
import { ResultStore, STORE_NAME } from '../store/result-store.js';
import { planGrid, type PlannedTraining, type PlanOptions } from './plan.js';
import {
  EncodedSets,
  experimentName,
  featureTasks,
  remainingTasks,
  RESULT_VERSION,
  stepsOf,
  type ExperimentFacts,
  type FactsByName,
  type FeatureTask,
  type TrainingTask,
} from './tasks.js';
import {
  availableResources,
  BYTES_A_WORKER,
  TaskFailure,
  WorkerProcess,
  workersThatFit,
  workOff,
  type Failure,
  type WorkerSetting,
} from './workers.js';

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

interface Counts {
  readonly trainings: number;
  readonly cells: number;
}

/** What is to be done. */
interface GridPlan {
  readonly store: string;
  /** Trainings and cells of the whole plan. */
  readonly planned: Counts;
  /** Of these, what the store lacked at the start. */
  readonly due: Counts & { readonly featureSets: number };
  readonly workers: number;
  /** Of what is due, from the mean time of like trainings in the store; null without any. */
  readonly estimatedSeconds: number | null;
}

/** What was done, or is to be done. */
export interface GridOutcome extends GridPlan {
  /** What was done now. */
  readonly done: Counts;
  readonly seconds: number;
  /** Mean wall time of a training with its cells now; null without any. */
  readonly secondsATraining: number | null;
  readonly failures: readonly NamedFailure[];
  readonly interrupted: boolean;
}

interface NamedFailure {
  readonly what: string;
  readonly reason: string;
}

/** What a person sees while a grid runs; it goes to standard error. */
export interface GridDisplay {
  say(message: string): void;
  /** A post that is left out. */
  warn(message: string): void;
  facts(facts: ExperimentFacts): void;
  plan(plan: GridPlan): void;
  progress(label: string, total: number, unit: string): Progress;
}

const SHOWN_WARNINGS = 5;
const SECONDS_BETWEEN_LINES = 30;

/** Shows nothing at all when `silent`. */
export function createGridDisplay(silent: boolean): GridDisplay {
  const say = (text: string): void => void (silent || process.stderr.write(`${text}\n`));
  const warned = new Set<string>();
  return {
    say,
    warn: (message) => {
      if (warned.has(message)) return;
      warned.add(message);
      if (warned.size <= SHOWN_WARNINGS) say(`left out: ${message}`);
      if (warned.size === SHOWN_WARNINGS + 1) say('left out: further posts');
    },
    facts: ({ posts, split, encoders, engine, notes }) => {
      say(`  ${posts.train} posts to train on, ${posts.val} to choose by, ${posts.evaluated} of ${split} to judge`);
      say(`  encoders ${encoders.image}, ${encoders.text}; engine ${engine}`);
      for (const note of notes) say(`  note: ${note}`);
    },
    plan: ({ planned, due, workers, estimatedSeconds }) => {
      say(`Planned: ${planned.trainings} trainings, ${planned.cells} cells`);
      say(`To do:   ${due.trainings} trainings, ${due.cells} cells, from ${due.featureSets} feature sets`);
      const time = estimatedSeconds === null ? 'not known before' : `${formatDuration(estimatedSeconds)} for`;
      say(`Time:    ${time} the trainings, ${workers} side by side`);
    },
    progress: (label, total, unit) =>
      startProgress({ label, total, unit, silent, lineInterval: SECONDS_BETWEEN_LINES }),
  };
}

/**
 * Fills a store with the cells of a grid: features first, then trainings side by side in processes of one thread each.
 * What the store has is not computed again; a training goes into it whole with its cells, so whatever ends this
 * program loses the trainings that were running and nothing else.
 * @throws ConfigurationError for an unknown option; DataError when another program fills the store, or data cannot be
 *   opened
 */
export async function runGrid(options: GridOptions): Promise<GridOutcome> {
  const plan = planGrid(options);
  if (options.dryRun !== true) {
    const lock = await lockGrid(options.folder);
    try {
      return await fill(options, plan, new ResultStore(storePath(options), 'write'));
    } finally {
      await lock.release();
    }
  }
  const isThere = existsSync(storePath(options)); // a plan leaves no trace
  return fill(
    options,
    plan,
    isThere ? new ResultStore(storePath(options), 'read') : new ResultStore(':memory:', 'write'),
  );
}

const storePath = ({ folder }: Pick<GridOptions, 'folder'>): string => join(folder, STORE_NAME);

/** One program at a time fills a grid's store. @throws DataError when another one does */
export async function lockGrid(folder: string): Promise<FileLock> {
  await mkdir(folder, { recursive: true });
  return lockFile(join(folder, 'grid.lock'), `Result store ${storePath({ folder })}`);
}

/** Closes the store at the end. */
async function fill(options: GridOptions, plan: readonly PlannedTraining[], store: ResultStore): Promise<GridOutcome> {
  const startedAt = performance.now();
  const { display, signal, folder, cache, split } = options;
  const resources = await availableResources();
  const versions = await readVersions();
  const setting = (threads: number, workers: number): WorkerSetting => {
    const memoryBytes = Math.min(BYTES_A_WORKER / 3, resources.memoryBytes / (4 * workers));
    return { threads, folder, cache, split, memoryBytes, versions };
  };
  const first = new WorkerProcess(setting(resources.cores, 1));
  try {
    const facts = await describe(first, plan, display);
    const tasks = remainingTasks(plan, facts, store.known(options.anyCode === true ? undefined : RESULT_VERSION));
    const encoded = await EncodedSets.open(cache, facts);
    const features = featureTasks(tasks).filter((task) => !encoded.has(task));
    const workers = Math.min(options.jobs ?? workersThatFit(resources), Math.max(1, tasks.length));
    const before: GridPlan = {
      store: storePath(options),
      planned: { trainings: plan.length, cells: plan.reduce((sum, { testedOn }) => sum + testedOn.length, 0) },
      due: {
        trainings: tasks.length,
        cells: tasks.reduce((sum, { cells }) => sum + cells.length, 0),
        featureSets: features.length,
      },
      workers,
      estimatedSeconds: estimate(tasks, store.secondsByMethod(), workers),
    };
    display.plan(before);
    const outcome = (failures: readonly NamedFailure[], trained?: Trained): GridOutcome => ({
      ...before,
      done: trained?.done ?? { trainings: 0, cells: 0 },
      seconds: (performance.now() - startedAt) / 1000,
      secondsATraining: trained?.secondsATraining ?? null,
      failures: [...failures, ...(trained?.failures ?? [])],
      interrupted: signal?.aborted === true && options.dryRun !== true && tasks.length > 0,
    });
    if (options.dryRun === true || tasks.length === 0) return outcome([]);
    const lost = await encodeAll(first, setting(resources.cores, 1), features, encoded, options);
    await first.stop();
    if (signal?.aborted === true) return outcome(lost);
    const threads = Math.max(1, Math.floor(resources.cores / workers));
    const start = (): WorkerProcess => new WorkerProcess(setting(threads, workers));
    return outcome(lost, await trainAll(start, workers, tasks, facts, store, options));
  } finally {
    await first.stop();
    store.close();
  }
}

/** Facts of each experiment by name. @throws DataError with the reason that the worker gives */
async function describe(
  worker: WorkerProcess,
  plan: readonly PlannedTraining[],
  display: GridDisplay,
): Promise<FactsByName> {
  const facts = new Map<string, ExperimentFacts>();
  for (const planned of plan) {
    const name = experimentName(planned);
    if (facts.has(name)) continue;
    display.say(`Reading ${name} …`);
    try {
      const found = await worker.ask({ kind: 'describe', config: planned.config });
      facts.set(name, found);
      display.facts(found);
    } catch (error) {
      if (!(error instanceof TaskFailure)) throw error;
      throw new DataError(
        {
          subject: `Experiment ${name}`,
          expected: 'data and encoders that can be opened',
          received: error.message,
          remedy: `try it alone: ${spell('train')}`,
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
  encoded: EncodedSets,
  { display, signal }: GridOptions,
): Promise<NamedFailure[]> {
  const progress = display.progress('Features', features.length, 'sets');
  let [done, isFirst] = [0, true];
  const start = (): WorkerProcess => {
    const worker = isFirst && first.isAlive ? first : new WorkerProcess(setting);
    isFirst = false;
    return worker;
  };
  try {
    const failures = await workOff({
      workers: 1,
      start,
      tasks: features,
      perform: async (worker, task) => {
        const { unreadable } = await worker.ask({ kind: 'encode', task }, ({ what, done: posts, total }) =>
          progress.update(done, `(${what} ${posts}/${total})`),
        );
        unreadable.forEach((message) => display.warn(message));
        if (unreadable.length === 0) await encoded.add(task);
        progress.update(++done);
      },
      signal,
    });
    return failures.map(({ task, reason }) => ({
      what: `features of ${task.posts} posts, ${formatStrategy(task.strategy)}, seed ${task.config.seed}`,
      reason,
    }));
  } finally {
    progress.stop();
  }
}

type Trained = Pick<GridOutcome, 'done' | 'secondsATraining' | 'failures'>;

async function trainAll(
  start: () => WorkerProcess,
  workers: number,
  tasks: readonly TrainingTask[],
  facts: FactsByName,
  store: ResultStore,
  { display, signal }: GridOptions,
): Promise<Trained> {
  const steps = new Map(tasks.map((task) => [task, stepsOf(task, facts)]));
  const total = [...steps.values()].reduce((sum, count) => sum + count, 0);
  const progress = display.progress('Trainings', total, 'steps');
  const running = new Map<number, number>();
  const done = { trainings: 0, cells: 0 };
  let [finished, failed, seconds] = [0, 0, 0];
  const show = (): void => {
    const now = [...running.values()].reduce((sum, count) => sum + count, 0);
    const failures = failed === 0 ? '' : `, ${failed} failed`;
    progress.update(finished + now, `(${done.trainings}/${tasks.length} trainings${failures})`);
  };
  try {
    const failures = await workOff({
      workers,
      start,
      tasks,
      perform: async (worker, task, place) => {
        const startedAt = performance.now();
        try {
          const training = await worker.ask({ kind: 'train', task }, ({ what, done: step }) => {
            if (what === 'training') running.set(place, step);
            show();
          });
          store.add(training);
          done.trainings++;
          done.cells += training.cells.length;
          finished += steps.get(task) as number;
          seconds += (performance.now() - startedAt) / 1000;
        } finally {
          running.delete(place);
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
    const secondsATraining = done.trainings === 0 ? null : seconds / done.trainings;
    return { done, secondsATraining, failures: failures.map(nameTraining) };
  } finally {
    progress.stop();
  }
}

/** From the mean time of like trainings; those of other methods where there is none. */
function estimate(tasks: readonly TrainingTask[], means: ReadonlyMap<string, number>, workers: number): number | null {
  if (tasks.length === 0) return 0;
  if (means.size === 0) return null;
  const overall = [...means.values()].reduce((sum, value) => sum + value, 0) / means.size;
  const secondsOf = ({ experiment, method }: TrainingTask): number => means.get(`${experiment} ${method}`) ?? overall;
  return tasks.reduce((sum, task) => sum + secondsOf(task), 0) / workers;
}

function nameTraining({ task, reason }: Failure<TrainingTask>): NamedFailure {
  const { method, without, trainedOn, seed } = task;
  const part = without === null ? '' : ` ${without}`;
  const disruption = trainedOn.kind === 'none' ? '' : `, trained on ${formatStrategy(trainedOn)}`;
  return { what: `${experimentName(task)} ${method}${part}${disruption}, seed ${seed}`, reason };
}
