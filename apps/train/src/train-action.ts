import { join } from 'node:path';
import { UnusableDataError } from '@drf/datasets';
import {
  accuracyText,
  departuresFromLetter,
  mergeConfig,
  overridesFrom,
  RunFolder,
  type ExperimentConfig,
} from '@drf/experiment';
import type { Collective } from '@drf/collective';
import { ConfigurationError } from '@drf/tensor';
import { EXIT, ExitRequest, interruptSignal, spell } from '@drf/terminal';
import {
  createDisplay,
  distributionNotes,
  EXPERIMENTS,
  loadExperiment,
  openOwnData,
  openTracker,
  ownConfig,
  readExperiment,
  runName,
  shareRun,
  train,
  writeLedger,
  type Display,
  type TrainOptions,
  type TrainResult,
} from '@drf/training';
import { asksForAllFolds, foldsText, trainAllFolds } from './all-folds.js';
import type { MainOptions } from './flags.js';

/** `drf train`. */
export async function trainAction(experiment: string | undefined, options: MainOptions): Promise<void> {
  const isAllFolds = await asksForAllFolds(options);
  if (options.distributed === undefined)
    return isAllFolds ? trainFolds(experiment, options) : trainOne(experiment, options);
  const ranks = await import('./in-ranks.js'); // alone loads koffi
  const own = await ranks.joinRanks(isAllFolds);
  await ranks.inRank(own, () => trainOne(experiment, options, own));
}

/** An abort signal of Ctrl-C and SIGTERM, and of SIGUSR2 where there are ranks, to whom launchers pass it on. */
function stopSignal(ranks: Collective | undefined): ReturnType<typeof interruptSignal> {
  const say = (): void => {
    if (isLead(ranks)) process.stderr.write('\nStopping: saving a checkpoint first (Ctrl-C again ends at once) …\n');
  };
  return interruptSignal(say, ranks === undefined ? [] : ['SIGUSR2']);
}

const isLead = (ranks: Collective | undefined): boolean => ranks === undefined || ranks.rank === 0;

async function trainFolds(experiment: string | undefined, options: MainOptions): Promise<void> {
  const display = createDisplay(options.quiet === true || options.json === true);
  const interrupt = stopSignal(undefined);
  try {
    const result = await trainAllFolds(experiment, options, display, interrupt.signal);
    process.stdout.write(options.json === true ? `${JSON.stringify(result)}\n` : foldsText(result));
    endInterrupted(result, options);
  } finally {
    interrupt.release();
  }
}

async function trainOne(experiment: string | undefined, options: MainOptions, ranks?: Collective): Promise<void> {
  const { cache, stopAfter: stopAfterEpochs, allowDownload = false, examples, distributedCheck: checkEvery } = options;
  const display = createDisplay(options.quiet === true || options.json === true || !isLead(ranks));
  const tracker = options.track === undefined || !isLead(ranks) ? undefined : openTracker(options.track);
  const { config, run, services, release } = await prepare(experiment, options, display, ranks);
  const interrupt = stopSignal(ranks);
  try {
    if (ranks !== undefined) tellNotes(distributionNotes(config, ranks.size), options, ranks);
    const result = await train({
      config,
      run,
      resume: options.resume !== undefined,
      cache,
      display,
      signal: interrupt.signal,
      stopAfterEpochs,
      allowDownload,
      tracker,
      examples,
      ...(ranks === undefined ? {} : { distributed: { collective: ranks, checkEvery } }),
      ...(services === undefined ? {} : { services }),
    });
    if (isLead(ranks)) report(result, options, ranks);
    endInterrupted(result, options);
  } finally {
    interrupt.release();
    await release();
  }
}

/** A training that was interrupted has said so; it was asked to where `--stop-after` is given. */
function endInterrupted({ outcome }: { readonly outcome: string }, { stopAfter }: MainOptions): void {
  if (outcome === 'interrupted') throw new ExitRequest(stopAfter === undefined ? EXIT.interrupted : EXIT.ok);
}

function tellNotes(notes: readonly string[], { quiet, json }: MainOptions, ranks: Collective): void {
  if (quiet === true || json === true || !isLead(ranks)) return;
  for (const note of notes) process.stderr.write(`note: ${note}\n`);
}

interface Prepared {
  readonly config: ExperimentConfig;
  readonly run: RunFolder;
  readonly services?: TrainOptions['services'];
  /** Removes the run folder where it is a temporary one. */
  release(): Promise<void>;
}

/** A new run, or the one to go on with; its own configuration then decides, and changes are refused. */
async function prepare(
  experiment: string | undefined,
  options: MainOptions,
  display: Display,
  ranks: Collective | undefined,
): Promise<Prepared> {
  const open = async (make: () => Promise<RunFolder>): Promise<Pick<Prepared, 'run' | 'release'>> =>
    ranks === undefined ? { run: await make(), release: () => Promise.resolve() } : shareRun(ranks, make);
  const named = options.columns === undefined ? {} : { dataset: { columns: options.columns } };
  const overrides = mergeConfig(named, overridesFrom(options)) as Record<string, unknown>;
  if (options.resume !== undefined) {
    const changed = Object.keys(overrides);
    if (experiment !== undefined || changed.length > 0 || options.out !== undefined || options.data !== undefined) {
      throw new ConfigurationError({
        subject: '--resume',
        expected: 'no other experiment, option or folder: a run goes on as it was configured',
        received: experiment ?? (changed.join(', ') || (options.data === undefined ? '--out' : '--data')),
        remedy: 'leave it out, or start a new run',
      });
    }
    const { resume } = options;
    const opened = await open(() => RunFolder.open(resume));
    return { config: (await opened.run.readDescription()).config, ...opened };
  }
  if (options.data !== undefined) {
    const base = experiment === undefined ? undefined : await readExperiment(experiment);
    const progress = display.job('Reading posts', 'posts');
    const opened = openOwnData(options.data, base, overrides, progress.update).finally(progress.stop);
    const { config, data } = await opened.catch(async (error: unknown) => {
      if (error instanceof UnusableDataError) await tellLoss(error, ownConfig(options.data ?? [], base, overrides, 0), options, display); // prettier-ignore
      throw error;
    });
    const created = await open(() => newRun(config, options));
    return { config, ...created, services: { openData: () => Promise.resolve(data) } };
  }
  if (experiment === undefined) {
    throw new ConfigurationError({
      subject: 'train',
      expected: `an experiment: ${[...EXPERIMENTS.keys()].join(', ')}, or a file; or your own posts, --data FILE`,
      received: 'none',
      remedy: `begin with: ${spell('train quickstart')}`,
    });
  }
  const config = await loadExperiment(experiment, overrides);
  return { config, ...(await open(() => newRun(config, options))) };
}

/** Says which rows are dropped and why, and lists them in the run folder to be, unless that holds something. */
async function tellLoss(
  { ledger }: UnusableDataError,
  config: ExperimentConfig,
  options: MainOptions,
  display: Display,
): Promise<void> {
  const folder = await newRun(config, { ...options, overwrite: false }).catch(() => undefined);
  display.lost(ledger, folder === undefined ? null : await writeLedger(folder, ledger));
}

function newRun(
  config: ExperimentConfig,
  { out, overwrite }: Pick<MainOptions, 'out' | 'overwrite'>,
): Promise<RunFolder> {
  const departures = departuresFromLetter(config);
  if (departures.length > 0) {
    process.stderr.write(`note: drf-paper is not the paper to the letter here: ${departures.join(', ')}\n`);
  }
  const folder = out ?? join('runs', runName(config));
  return RunFolder.create(folder, { overwrite: overwrite === true });
}

function report(result: TrainResult, { json }: MainOptions, ranks: Collective | undefined): void {
  if (json === true) {
    process.stdout.write(`${JSON.stringify(result)}\n`);
    return;
  }
  const { outcome, run, selected, notes } = result;
  if (outcome === 'interrupted') {
    const again = ranks === undefined ? '' : ', or by mpirun as before, with --distributed mpi';
    process.stdout.write(
      `Stopped. Go on with: ${spell(`train --resume ${run}`)}${again}\n${notes.map((note) => `${note}\n`).join('')}`,
    );
    return;
  }
  const early = outcome === 'stopped-early' ? ' (stopped early: no better epoch for a while)' : '';
  const { validation = null } = selected ?? {};
  const scores = validation === null ? '' : `, validation accuracy ${accuracyText(validation.accuracy, validation.posts)}`; // prettier-ignore
  const epoch = selected === undefined ? '' : `; result: epoch ${selected.epoch}${scores}`;
  process.stdout.write(
    `Trained${early}${epoch}.\n${notes.map((note) => `${note}\n`).join('')}Run:      ${run}\nReport:   ${result.report}\n`,
  );
  process.stdout.write(`Evaluate: ${spell(`eval ${run}`)}\n`);
}
