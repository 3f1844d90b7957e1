import { existsSync } from 'node:fs';
import { mkdir, readdir, rm } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { readVersions, type ExperimentConfig } from '@drf/experiment';
import { lockFile, type FileLock } from '@drf/files';
import { isObjectLocation, openStorage } from '@drf/storage';
import { ConfigurationError, DataError, isDrfError, refuser } from '@drf/tensor';
import { spell } from '@drf/terminal';
import {
  availableResources,
  byStage,
  BYTES_A_WORKER,
  runUnits,
  workersThatFit,
  type PublishedPlan,
  type Runner,
  type UnitFailure,
  type UnitResources,
} from '@drf/units';
import { ResultStore, STORE_NAME } from '../store/result-store.js';
import { UnitsProgress, type Counts, type GridDisplay, type GridPlan, type ShownUnit } from './grid-display.js';
import { GridOutputs } from './outputs.js';
import { PARTIAL, finishedRun, type TaskSetting } from './perform.js';
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
  type TrainingTask,
} from './tasks.js';
import { GRID_CODE, gridSettings, gridUnits, publishOnce, type GridTask } from './units.js';
import { TaskFailure, WorkerProcess } from './workers.js';

export interface GridOptions extends PlanOptions {
  /** Folder of the grid: the store, a run for each training, plans and their units' outputs. */
  readonly folder: string;
  /** Folder of the feature cache. */
  readonly cache: string;
  readonly split: TaskSetting['split'];
  /** Does the units of the grid: the main of a program with `unitProgram([trainKind])`. */
  readonly program: URL;
  /** The engine that does them. One of several machines asks that all of them share both folders. */
  readonly runner: Runner;
  /** Units at a time; default: as many as cores and memory allow. */
  readonly jobs?: number;
  /** What a unit takes, where that is another than the usual. */
  readonly resources?: (usual: UnitResources) => UnitResources;
  /** Take results of any version of the code. */
  readonly anyCode?: boolean;
  /** Only say what would be done. */
  readonly dryRun?: boolean;
  readonly display: GridDisplay;
  readonly signal?: AbortSignal;
}

/** What was done, or is to be done. */
export interface GridOutcome extends GridPlan {
  /** What was done now, or since the store was written last. */
  readonly done: Counts;
  readonly seconds: number;
  /** Mean wall time of a training with its cells now; null where none was seen. */
  readonly secondsATraining: number | null;
  readonly failures: readonly NamedFailure[];
  readonly interrupted: boolean;
  /** Of units that others are to do; null where none are left, or nobody else is. */
  readonly plan: PlanLeft | null;
}

/** A plan that was only written. */
interface PlanLeft {
  readonly location: string;
  /** The program that does a unit. */
  readonly program: string;
  /** Units by stages, each to be over before the next begins. */
  readonly stages: readonly (readonly number[])[];
}

interface NamedFailure {
  readonly what: string;
  readonly reason: string;
}

/**
 * Fills a store with the cells of a grid: features first, then trainings side by side, as units that any runner does, here
 * or on other machines. This program alone writes the store: it takes in trainings, each whole with its cells, as they
 * appear. What the store has is not computed again, so whatever ends this program loses the trainings that were running
 * and nothing else.
 * @throws ConfigurationError for an unknown option; DataError when another program fills the store, or data cannot be
 *   opened; UnavailableError when the runner's engine does not work
 */
export async function runGrid(options: GridOptions): Promise<GridOutcome> {
  assertFolder('--out', options.folder);
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

/** @throws ConfigurationError for object storage, where no store can lie */
function assertFolder(flag: string, location: string): void {
  if (!isObjectLocation(location)) return;
  throw refuser(ConfigurationError, flag)(
    'a folder',
    location,
    'name one that all machines share, such as /shared/grid',
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
  const { display, signal, dryRun = false } = options;
  const folder = resolve(options.folder);
  const cache = isObjectLocation(options.cache) ? options.cache : resolve(options.cache);
  try {
    const described = new Map<string, ExperimentConfig>();
    for (const planned of plan) if (!described.has(experimentName(planned))) described.set(experimentName(planned), planned.config); // prettier-ignore
    const facts = await describe(described, { ...options, folder, cache });
    const outputs = new GridOutputs(await openStorage(folder), store, display);
    const left = dryRun ? { trainings: 0, cells: 0 } : await outputs.takeLeft();
    const tasks = remainingTasks(plan, facts, store.known(options.anyCode === true ? undefined : RESULT_VERSION));
    const encoded = await EncodedSets.open(cache, facts);
    const features = featureTasks(tasks).filter((task) => !encoded.has(task));
    const { resources, workers } = await roomFor(tasks, options);
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
    const outcome = (worked?: Worked): GridOutcome => ({
      ...before,
      done: {
        trainings: left.trainings + (worked?.done.trainings ?? 0),
        cells: left.cells + (worked?.done.cells ?? 0),
      },
      seconds: (performance.now() - startedAt) / 1000,
      secondsATraining: worked?.secondsATraining ?? null,
      failures: worked?.failures ?? [],
      interrupted: signal?.aborted === true && !dryRun && tasks.length > 0,
      plan: worked?.plan ?? null,
    });
    if (dryRun) return outcome();
    if (tasks.length === 0) {
      await outputs.removeTaken();
      await clearPartial(folder);
      return outcome();
    }
    if (!isObjectLocation(cache)) await mkdir(cache, { recursive: true });
    await clearUnfinished(folder, tasks);
    const published = await publishOnce(outputs.storage, {
      kind: 'train',
      code: GRID_CODE,
      resources,
      settings: gridSettings(tasks, facts, { cache, split: options.split }, described),
      units: gridUnits(features, tasks, encoded, cache),
    });
    const worked = await work(published, { ...options, jobs: workers ?? undefined }, outputs, encoded, facts);
    const result = outcome(worked);
    if (result.failures.length === 0 && result.plan === null && !result.interrupted) {
      await outputs.removeTaken();
      await clearPartial(folder);
    }
    return result;
  } finally {
    store.close();
  }
}

/** Facts of each experiment by name. @throws DataError with the reason that the worker gives */
async function describe(
  experiments: ReadonlyMap<string, ExperimentConfig>,
  { display, folder, cache, split }: GridOptions,
): Promise<FactsByName> {
  const facts = new Map<string, ExperimentFacts>();
  const { cores: threads } = await availableResources();
  const versions = await readVersions();
  const worker = new WorkerProcess({ threads, folder, cache, split, memoryBytes: 0, versions });
  try {
    for (const [name, config] of experiments) {
      display.say(`Reading ${name} …`);
      const found = await worker.ask({ kind: 'describe', config });
      facts.set(name, found);
      display.facts(found);
    }
    return facts;
  } catch (error) {
    if (!(error instanceof TaskFailure)) throw error;
    const refuse = refuser(DataError, `Experiment ${[...experiments.keys()][facts.size]}`);
    throw refuse('data and encoders that can be opened', error.message, `try it alone: ${spell('train')}`, error);
  } finally {
    await worker.stop();
  }
}

/** What a unit takes, and how many there are at a time where it is for us to say. */
async function roomFor(
  tasks: readonly TrainingTask[],
  { runner, jobs, resources = (usual) => usual }: GridOptions,
): Promise<{ readonly resources: UnitResources; readonly workers: number | null }> {
  const usual: UnitResources = { cores: 1, gpus: 0, memoryBytes: BYTES_A_WORKER };
  if (runner.name !== 'local') return { resources: resources(usual), workers: jobs ?? null };
  const own = await availableResources();
  const workers = Math.min(jobs ?? workersThatFit(own, resources(usual)), Math.max(1, tasks.length));
  return { resources: resources({ ...usual, cores: Math.max(1, Math.floor(own.cores / workers)) }), workers };
}

/** A run that an earlier version of this program left unfinished is in the way of the one that takes its place. */
async function clearUnfinished(folder: string, tasks: readonly TrainingTask[]): Promise<void> {
  for (const task of tasks) {
    const run = join(folder, task.folder);
    if (existsSync(run) && (await finishedRun(run)) === undefined) await rm(run, { recursive: true, force: true });
  }
}

/** Runs whose trainings were killed. */
async function clearPartial(folder: string): Promise<void> {
  const runs = join(folder, 'trainings');
  for (const name of await readdir(runs).catch(() => [])) {
    if (name.endsWith(PARTIAL)) await rm(join(runs, name), { recursive: true, force: true });
  }
}

type Worked = Pick<GridOutcome, 'done' | 'secondsATraining' | 'failures' | 'plan'>;

/** Has the units done, and takes their outputs in. */
async function work(
  plan: PublishedPlan,
  { runner, program, jobs, signal, display }: GridOptions,
  outputs: GridOutputs,
  encoded: EncodedSets,
  facts: FactsByName,
): Promise<Worked> {
  const left = new Set(plan.units.keys());
  const done = { trainings: 0, cells: 0 };
  const damaged: UnitFailure[] = [];
  const shown = plan.units.flatMap(({ label, input, output }, index): [number, ShownUnit][] => {
    const task = input as GridTask;
    if (outputs.has(output)) return []; // of an earlier session
    return [
      [index, 'train' in task ? { label, steps: stepsOf(task.train, facts) } : { label, sets: task.encode.length }],
    ];
  });
  const progress = new UnitsProgress(new Map(shown), display);
  try {
    const failures = await runUnits({
      plan,
      runner,
      program,
      lanes: jobs,
      signal,
      onEvent: (event) => progress.take(event),
      onOutput: async ({ input, output }, index) => {
        left.delete(index);
        const task = input as GridTask;
        try {
          if ('encode' in task) await outputs.takeMarker(output, task.encode, encoded);
          else if (!outputs.has(output)) {
            done.cells += (await outputs.takeTraining(output)).length;
            done.trainings++;
          }
          progress.done(index);
        } catch (error) {
          if (!isDrfError(error)) throw error;
          damaged.push({ index, reason: error.message });
          await outputs.storage.remove(output); // so that it is done again
        }
      },
    });
    return {
      done,
      secondsATraining: progress.secondsATraining,
      failures: [...failures, ...damaged].map(({ index, reason }) => ({
        what: plan.units[index]?.label ?? '',
        reason,
      })),
      plan: runner.onlyPlans === true && left.size > 0 ? planLeft(plan, program, [...left]) : null,
    };
  } finally {
    progress.stop();
  }
}

function planLeft(plan: PublishedPlan, program: URL, left: readonly number[]): PlanLeft {
  return { location: plan.location, program: fileURLToPath(program), stages: byStage(plan, left) };
}

/** From the mean time of like trainings; those of other methods where there is none. */
function estimate(
  tasks: readonly TrainingTask[],
  means: ReadonlyMap<string, number>,
  workers: number | null,
): number | null {
  if (tasks.length === 0) return 0;
  if (means.size === 0 || workers === null) return null;
  const overall = [...means.values()].reduce((sum, value) => sum + value, 0) / means.size;
  const secondsOf = ({ experiment, method }: TrainingTask): number => means.get(`${experiment} ${method}`) ?? overall;
  return tasks.reduce((sum, task) => sum + secondsOf(task), 0) / workers;
}
