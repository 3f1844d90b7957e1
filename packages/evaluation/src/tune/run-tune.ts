import { cp, mkdir, readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import {
  methodNeeds,
  readVersions,
  RunFolder,
  simulationOptions,
  trainsEncoders,
  writeModelCard,
  type ExperimentConfig,
} from '@drf/experiment';
import { contentHash, lockFile, readJson, writeFileAtomic, writeJsonAtomic } from '@drf/files';
import { ConfigurationError, DataError, refuser } from '@drf/tensor';
import { formatDuration, percent, spell, type Progress } from '@drf/terminal';
import { availableResources, BYTES_A_WORKER, workersThatFit } from '@drf/units';
import type { GridDisplay } from '../grid/grid-display.js';
import { RESULT_VERSION, trainingIdentity, type ExperimentFacts, type TrialTask } from '../grid/tasks.js';
import { TaskFailure, WorkerProcess, workOff, type WorkerSetting } from '../grid/workers.js';
import { epochsAt, finishing, nextWave, ranked, rungsOf, winner, type HalvingOptions, type Step } from './halving.js';
import { Journal, type TrialResult } from './journal.js';
import { isInSpace, overridesOf, sampleValues, valuesOf, type Dimension, type OptionValues } from './space.js';
import { describeTuning, type TuneSummary } from './summary.js';
import { trialsCsv, tuneReport } from './tune-report.js';

/** An experiment with further options laid over it. */
export type TunedExperiment = (overrides: Readonly<Record<string, unknown>>) => ExperimentConfig;

export interface TuneOptions {
  readonly experiment: TunedExperiment;
  /** As `assertSpace` lets pass. */
  readonly space: readonly Dimension[];
  /** Folder of the tuning: its journal, a run for each trial, the best run and the report. */
  readonly folder: string;
  /** Folder of the feature cache. */
  readonly cache: string;
  /** Most trainings that are begun, the experiment's own options among them; left out: as many as there is time for. */
  readonly trainings?: number | undefined;
  /** After so many seconds, earlier sessions included, no training begins but what it takes to end. */
  readonly seconds?: number | undefined;
  /** One of so many trials goes on from rung to rung; 1: every one is trained in full. */
  readonly eta: number;
  /** Processes side by side; default: as many as cores and memory allow. */
  readonly jobs?: number | undefined;
  /** Delete what an earlier tuning left in the folder. */
  readonly overwrite?: boolean | undefined;
  /** The command line that trains the experiment, to which the best options are added. */
  readonly command: readonly string[];
  readonly display: Pick<GridDisplay, 'say' | 'warn' | 'progress'>;
  readonly signal?: AbortSignal | undefined;
}

/** Everything that a tuning puts into its folder. */
const FILES = [
  'journal.jsonl',
  'tune.json',
  'trials.csv',
  'report.html',
  'trials',
  'best',
  'best.partial',
  'tune.lock',
];

/**
 * Searches options by the validation split: sampled trials are trained for few epochs, and the best of them go on, by
 * their whole configuration, until some are trained in full. The first trial is the experiment as it is. What is decided
 * depends on the seed and on whole waves of trials alone, so the same limits in trainings give the same winner, however
 * many processes work; a limit of time does not.
 * @throws ConfigurationError for a folder with something else, and without validation posts; DataError for the folder of
 *   another tuning, when another program tunes there, when data cannot be opened, and when every trial fails
 */
export async function runTune(options: TuneOptions): Promise<TuneSummary> {
  await prepareFolder(options);
  const lock = await lockFile(join(options.folder, 'tune.lock'), `Tuning ${options.folder}`);
  try {
    return await tune(options);
  } finally {
    await lock.release();
  }
}

/** @throws ConfigurationError for a folder that holds something other than a tuning */
async function prepareFolder({ folder, overwrite = false }: TuneOptions): Promise<void> {
  await mkdir(folder, { recursive: true });
  const foreign = (await readdir(folder)).find((name) => !FILES.includes(name) && !name.startsWith('tune.lock'));
  if (foreign !== undefined) {
    const refuse = refuser(ConfigurationError, `Folder ${folder}`);
    throw refuse('nothing but a tuning', foreign, 'choose another --out');
  }
  if (!overwrite) return;
  for (const name of FILES.filter((own) => own !== 'tune.lock')) {
    await rm(join(folder, name), { recursive: true, force: true });
  }
}

/** What all parts of a tuning share. */
interface Tuning {
  readonly options: TuneOptions;
  readonly halving: HalvingOptions;
  readonly seed: number;
  readonly facts: ExperimentFacts;
  readonly journal: Journal;
  /** Processes that wait for work. */
  readonly idle: WorkerProcess[];
  readonly workers: number;
  readonly start: () => WorkerProcess;
  /** One that has all cores. */
  readonly startEncoding: () => WorkerProcess;
  /** Whether no further training may begin. */
  readonly isTimeUp: () => boolean;
  readonly elapsed: () => number;
}

async function tune(options: TuneOptions): Promise<TuneSummary> {
  const startedAt = performance.now();
  const { display, signal, folder, space, eta, trainings = Infinity, seconds = Infinity } = options;
  const resources = await availableResources();
  const workers = options.jobs ?? workersThatFit(resources);
  const memoryBytes = Math.min(BYTES_A_WORKER / 3, resources.memoryBytes / (4 * workers));
  const versions = await readVersions();
  const start = (threads: number): WorkerProcess => {
    const setting: WorkerSetting = { threads, folder, cache: options.cache, split: 'val', memoryBytes, versions };
    return new WorkerProcess(setting);
  };
  const base = options.experiment({});
  // a head gives other last digits on other numbers of threads, and gains little by them; an encoder needs them all
  const threads = trainsEncoders(base) ? Math.max(1, Math.floor(resources.cores / workers)) : 1;
  const first = start(resources.cores);
  const idle: WorkerProcess[] = [];
  try {
    const facts = await describe(first, base, display);
    const own = valuesOf(space, base);
    const halving = { eta, trainings, rungs: rungsOf(base.training.epochs, eta), ownMayWin: isInSpace(space, own) }; // prettier-ignore
    const journal = await Journal.open(join(folder, 'journal.jsonl'), identityOf(options, base, facts, halving.rungs));
    const earlier = journal.seconds;
    const elapsed = (): number => earlier + (performance.now() - startedAt) / 1000;
    const tuning: Tuning = {
      options,
      halving,
      seed: base.seed,
      facts,
      journal,
      idle,
      workers,
      start: () => idle.pop() ?? start(threads),
      startEncoding: () => (first.isAlive ? first : start(resources.cores)),
      isTimeUp: () => isComparable(journal) && elapsed() + timeToFinish(journal, halving, workers) >= seconds,
      elapsed,
    };
    const prepared = new Set<string>();
    let wave = nextSteps(tuning);
    for (; wave.length > 0 && signal?.aborted !== true; wave = nextSteps(tuning)) {
      await runWave(tuning, wave, prepared, tuning.isTimeUp);
      await writeTuning(tuning, 'interrupted');
      assertSomeWork(journal);
    }
    const isCut = seconds < Infinity && signal?.aborted !== true && isMoreToDo(tuning);
    if (isCut) {
      const last = finishing(journal.results, halving);
      if (last.length > 0) await runWave(tuning, last, prepared, () => false);
    }
    const outcome = signal?.aborted === true ? 'interrupted' : isCut ? 'out of time' : 'finished';
    if (outcome !== 'interrupted') await keepBest(tuning);
    return await writeTuning(tuning, outcome);
  } finally {
    await Promise.all([first, ...idle].map((worker) => worker.stop()));
  }
}

/** What was decided before and not done; else the next wave. Nothing when time is up. */
function nextSteps(tuning: Tuning): readonly Step[] {
  const { journal, halving, isTimeUp } = tuning;
  if (isTimeUp()) return [];
  return journal.pending.length > 0 ? journal.pending : nextWave(journal.results, halving);
}

/** Whether there is a first result of the experiment's own options, and of others. */
function isComparable({ results }: Journal): boolean {
  return results.some(({ trial }) => trial === 0) && results.some(({ trial }) => trial > 0);
}

function isMoreToDo({ journal, halving }: Tuning): boolean {
  return journal.pending.length > 0 || nextWave(journal.results, halving).length > 0;
}

/** @throws DataError with the reason that the worker gives; ConfigurationError without validation posts */
async function describe(
  worker: WorkerProcess,
  config: ExperimentConfig,
  display: TuneOptions['display'],
): Promise<ExperimentFacts> {
  display.say(`Reading ${config.name} …`);
  const facts = await worker.ask({ kind: 'describe', config }).catch((error: unknown) => {
    if (!(error instanceof TaskFailure)) throw error;
    const refuse = refuser(DataError, `Experiment ${config.name}`);
    throw refuse('data and encoders that can be opened', error.message, `try it alone: ${spell('train')}`, error);
  });
  const { posts, encoders, engine, notes } = facts;
  display.say(`  ${posts.train} posts to train on, ${posts.val} to choose by`);
  display.say(`  encoders ${encoders.image}, ${encoders.text}; engine ${engine}`);
  for (const note of notes) display.say(`  note: ${note}`);
  if (facts.posts.val > 0) return facts;
  throw refuser(ConfigurationError, `Tuning ${config.name}`)(
    'validation posts, by which options are chosen',
    'none',
    'give the validation split some: --dataset.val-fraction 0.2',
  );
}

/** Equal where going on gives what one session would have given. */
function identityOf(
  { space, eta }: TuneOptions,
  base: ExperimentConfig,
  facts: ExperimentFacts,
  rungs: number,
): string {
  const what = JSON.stringify([space, eta, rungs, RESULT_VERSION]);
  return contentHash('drf-tune/1', trainingIdentity(base, facts), what);
}

/** The values of a trial: the experiment's own of the first. */
function valuesOfTrial(trial: number, space: readonly Dimension[], base: ExperimentConfig): OptionValues {
  return trial === 0 ? valuesOf(space, base) : sampleValues(space, trial - 1, base.seed);
}

/** A trial's configuration. @throws ConfigurationError for values that do not go together */
function configOf({ options, seed }: Tuning, trial: number): ExperimentConfig {
  const overrides = trial === 0 ? {} : overridesOf(sampleValues(options.space, trial - 1, seed));
  const config = options.experiment(overrides);
  return { ...config, training: { ...config.training, keepCheckpoints: 1 } };
}

const folderOf = (trial: number): string => join('trials', String(trial).padStart(3, '0'));

/** Epochs that a trial has been trained for. */
function epochsDone(journal: Journal, trial: number): number {
  return Math.max(0, ...journal.results.filter((own) => own.trial === trial && own.failure === null).map(({ epochs }) => epochs)); // prettier-ignore
}

/** Of what the best sampled trial and the experiment's own options still lack; nothing before any was trained. */
function timeToFinish(journal: Journal, halving: HalvingOptions, workers: number): number {
  const times = finishing(journal.results, halving).map(({ trial }) => {
    const own = journal.results.filter((result) => result.trial === trial && result.failure === null);
    const seconds = own.reduce((sum, result) => sum + result.seconds, 0);
    const top = Math.max(...own.map(({ rung }) => rung));
    return seconds * (halving.eta ** (halving.rungs - 1 - top) - 1); // as long an epoch as before
  });
  return workers > 1 ? Math.max(0, ...times) : times.reduce((sum, time) => sum + time, 0);
}

/** A step of a wave. */
type TrialStep = Step & TrialTask & { readonly from: number };

async function runWave(
  tuning: Tuning,
  wave: readonly Step[],
  prepared: Set<string>,
  isTimeUp: () => boolean,
): Promise<void> {
  const { options, journal, halving, idle, start, workers } = tuning;
  const { display, signal } = options;
  const pending = new Set(journal.pending);
  const decided = wave.filter((step) => !pending.has(step));
  if (decided.length > 0) await journal.decide(decided);
  const tasks: TrialStep[] = [];
  for (const step of wave) {
    try {
      const config = configOf(tuning, step.trial);
      const epochs = epochsAt(step.rung, config.training.epochs, halving);
      tasks.push({ ...step, config, folder: folderOf(step.trial), epochs, from: epochsDone(journal, step.trial) });
    } catch (error) {
      if (!(error instanceof ConfigurationError)) throw error;
      await journal.add(failureOf(tuning, step, error.message));
    }
  }
  await prepare(tuning, tasks, prepared);
  if (signal?.aborted === true) return;
  // the experiment's own options first, to compare with; then long ones, so that none is left at the end
  const lengthOf = ({ trial, epochs, from }: TrialStep): number => (trial === 0 ? Infinity : epochs - from);
  tasks.sort((a, b) => (a.trial === b.trial ? 0 : lengthOf(b) - lengthOf(a)));
  const shown = waveProgress(tuning, tasks);
  try {
    await workOff({
      workers,
      start,
      release: (worker) => void idle.push(worker),
      tasks,
      signal,
      perform: async (worker, task, place) => {
        if (isTimeUp()) return;
        const { config, folder, epochs } = task;
        const { selected, seconds } = await worker.ask(
          { kind: 'trial', task: { config, folder, epochs } },
          ({ what, done, total }) => {
            if (what === 'training') shown.at(place, task, (done / total) * config.training.epochs);
          },
        );
        const { score, loss, validation, epoch } = selected;
        const { posts, accuracy } = validation as NonNullable<typeof validation>;
        await journal.add({
          trial: task.trial,
          rung: task.rung,
          score: config.training.selection === 'last' ? accuracy : score, // there, scores are numbers of epochs
          loss,
          epochs,
          accuracy,
          bestEpoch: epoch,
          posts,
          seconds,
          failure: null,
          at: tuning.elapsed(),
        });
        shown.done(place, task);
      },
      onFailure: ({ task, reason }) => {
        display.say(`failed: trial ${task.trial}: ${reason.split('\n')[0]}`);
        shown.done(-1, task);
      },
    }).then(async (failures) => {
      for (const { task, reason } of failures) await journal.add(failureOf(tuning, task, reason));
    });
  } finally {
    shown.stop();
  }
}

function failureOf({ elapsed }: Tuning, { trial, rung }: Step, reason: string): TrialResult {
  const nothing = { score: null, loss: null, accuracy: null, bestEpoch: null };
  return { trial, rung, ...nothing, epochs: 0, posts: 0, seconds: 0, failure: reason, at: elapsed() };
}

/** @throws DataError when nothing but failures came out so far: there is more wrong than a value */
function assertSomeWork({ results }: Journal): void {
  const reason = results[0]?.failure ?? null;
  if (reason === null || results.some(({ failure }) => failure === null)) return;
  const remedy = `try it alone (${spell('train')}), then start anew with --overwrite`;
  throw refuser(DataError, 'Tuning')('a trial that can be trained', `${results.length} that failed: ${reason}`, remedy);
}

/** Encodes what new configurations read, each kind once, in one process. */
async function prepare(
  { startEncoding: start, options: { display, signal } }: Tuning,
  tasks: readonly TrialStep[],
  prepared: Set<string>,
): Promise<void> {
  const due = tasks.flatMap(({ config }) => {
    const { share, discard, draws, corruptions } = simulationOptions(config);
    const read = [
      config.encoders,
      config.dataset,
      methodNeeds(config),
      share > 0,
      discard > 0,
      share > 0 ? [draws, corruptions] : 0,
    ];
    const key = JSON.stringify(read);
    if (prepared.has(key)) return [];
    prepared.add(key);
    return [config];
  });
  for (const config of due) {
    let progress: Progress | undefined;
    let shown = '';
    await workOff({
      workers: 1,
      start,
      tasks: [config],
      signal,
      perform: async (worker, own) => {
        const { unreadable } = await worker.ask({ kind: 'prepare', config: own }, ({ what, done, total }) => {
          if (shown !== what) progress?.stop();
          if (shown !== what) progress = display.progress(what, total, 'posts');
          shown = what;
          progress?.update(done);
        });
        unreadable.forEach((message) => display.warn(message));
      },
    }); // what fails here shows again in the trials
    progress?.stop();
  }
}

/** Progress of a wave in epochs, with what is known of the whole. */
function waveProgress(tuning: Tuning, tasks: readonly TrialStep[]) {
  const { journal, halving, options, workers, elapsed } = tuning;
  const lengthOf = ({ epochs, from }: TrialStep): number => Math.max(0, epochs - from);
  const total = tasks.reduce((sum, task) => sum + lengthOf(task), 0);
  const fresh = tasks.filter(({ rung }) => rung === 0).length;
  const parts = [
    ...(fresh > 0 ? [`${fresh} new ${fresh === 1 ? 'trial' : 'trials'}`] : []),
    ...(fresh < tasks.length ? [`${tasks.length - fresh} going on`] : []),
  ];
  const progress = options.display.progress(parts.join(' and '), total, 'epochs');
  const running = new Map<number, number>();
  let finished = 0;
  const show = (): void => {
    const now = finished + [...running.values()].reduce((sum, count) => sum + count, 0);
    const best = ranked(journal.results)[0]?.accuracy ?? null;
    const begun = new Set(journal.results.map(({ trial }) => trial)).size;
    const of = Number.isFinite(halving.trainings) ? `/${halving.trainings}` : '';
    const left = timeLeft(tuning, total - now, workers);
    const limit = options.seconds === undefined ? '' : `, ${formatDuration(elapsed())} of ${formatDuration(options.seconds)}`; // prettier-ignore
    const score = best === null ? '' : `, best ${percent(best)} %`;
    progress.update(Math.round(now * 10) / 10, `(${begun}${of} trials${score}${left}${limit})`);
  };
  return {
    at: (place: number, task: TrialStep, epochs: number): void => {
      running.set(place, Math.min(lengthOf(task), Math.max(0, epochs - task.from)));
      show();
    },
    done: (place: number, task: TrialStep): void => {
      running.delete(place);
      finished += lengthOf(task);
      show();
    },
    stop: () => progress.stop(),
  };
}

/** Of the whole tuning, where it is limited in trainings: the plan is played through with made-up scores. */
function timeLeft(tuning: Tuning, epochsOfWave: number, workers: number): string {
  const { journal, halving } = tuning;
  const seconds = journal.results.reduce((sum, own) => sum + own.seconds, 0);
  if (!Number.isFinite(halving.trainings) || seconds === 0) return '';
  const trained = new Map<number, number>();
  for (const { trial, epochs } of journal.results) trained.set(trial, Math.max(epochs, trained.get(trial) ?? 0));
  const spent = [...trained.values()].reduce((sum, epochs) => sum + epochs, 0);
  const scores: { trial: number; rung: number; score: number; loss: number }[] = [
    ...journal.results.map((own) => ({ ...own, score: own.score ?? 0, loss: own.loss ?? 0 })),
    ...journal.pending.map((step) => ({ ...step, score: 0, loss: 0 })),
  ];
  let later = 0;
  for (let wave = nextWave(scores, halving); wave.length > 0; wave = nextWave(scores, halving)) {
    for (const { trial, rung } of wave) {
      const { epochs } = configOf(tuning, trial).training;
      const before = Math.max(-1, ...scores.filter((own) => own.trial === trial).map((own) => own.rung));
      later += epochsAt(rung, epochs, halving) - (before < 0 ? 0 : epochsAt(before, epochs, halving));
      scores.push({ trial, rung, score: 0, loss: 0 });
    }
  }
  return `, ${formatDuration(((epochsOfWave + later) * seconds) / spent / workers)} left in all`;
}

/** Copies the winner's run to `best/`, and clears away the checkpoints of trials that were not trained in full. */
async function keepBest({ options: { folder }, journal, halving }: Tuning): Promise<void> {
  const best = winner(journal.results, halving);
  if (best === undefined) return;
  const [from, to, partial] = [join(folder, folderOf(best.trial)), join(folder, 'best'), join(folder, 'best.partial')];
  if ((await descriptionOf(from)) !== (await descriptionOf(to))) {
    await rm(partial, { recursive: true, force: true });
    await cp(from, partial, { recursive: true });
    await rm(to, { recursive: true, force: true });
    await rename(partial, to);
    await writeModelCard(await RunFolder.open(to)); // under its new name
  }
  const whole = new Set(journal.results.filter(({ rung }) => rung === halving.rungs - 1).map(({ trial }) => trial));
  for (const trial of new Set(journal.results.map((own) => own.trial))) {
    if (!whole.has(trial)) await rm(join(folder, folderOf(trial), 'checkpoints'), { recursive: true, force: true });
  }
}

/** What tells a run from any other, and how far it is; nothing where there is none. */
async function descriptionOf(run: string): Promise<string | undefined> {
  try {
    const opened = await RunFolder.open(run);
    return JSON.stringify([await readJson(opened.file('config.json')), await opened.readBest()]);
  } catch {
    return undefined;
  }
}

/** Writes what is known so far: `tune.json`, `trials.csv`, `report.html`. */
async function writeTuning(tuning: Tuning, outcome: TuneSummary['outcome']): Promise<TuneSummary> {
  const { options, journal, halving, facts, elapsed } = tuning;
  const summary = describeTuning({
    outcome,
    base: options.experiment({}),
    space: options.space,
    valuesOf: (trial) => valuesOfTrial(trial, options.space, options.experiment({})),
    fullEpochsOf: (trial) => configOf(tuning, trial).training.epochs,
    results: journal.results,
    halving,
    facts,
    folder: options.folder,
    command: options.command,
    limits: { trainings: options.trainings ?? null, seconds: options.seconds ?? null },
    seconds: elapsed(),
  });
  await writeFileAtomic(join(options.folder, 'trials.csv'), trialsCsv(summary));
  await writeFileAtomic(join(options.folder, 'report.html'), tuneReport(summary));
  await writeJsonAtomic(join(options.folder, 'tune.json'), summary);
  return summary;
}
