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
import { isObjectLocation } from '@drf/storage';
import { ConfigurationError } from '@drf/tensor';
import { EXIT, ExitRequest, interruptSignal, spell } from '@drf/terminal';
import {
  chooseExperiment,
  createDisplay,
  distributionNotes,
  keepFreedMemory,
  openTracker,
  ownConfig,
  readExperiment,
  runName,
  shareRun,
  train,
  writeLedger,
  type Display,
  type ExperimentChoice,
  type TrainOptions,
  type TrainResult,
} from '@drf/training';
import { asksForAllFolds, foldsText, trainAllFolds } from './all-folds.js';
import type { MainOptions } from './flags.js';
import type { RemoteRun } from './remote-run.js';

/** `drf train`. */
export async function trainAction(experiment: string | undefined, options: MainOptions): Promise<void> {
  if (options.dryRun === true) return (await import('./dry-run.js')).dryRun(experiment, options);
  const isAllFolds = await asksForAllFolds(options);
  if (options.distributed === undefined) {
    const inPlace = isAllFolds ? trainFolds : trainOne;
    return trainPlaced(options, undefined, (own, display) => inPlace(experiment, own, display));
  }
  const ranks = await import('./in-ranks.js'); // alone loads koffi
  const own = await ranks.joinRanks(isAllFolds);
  const inRank = (placed: MainOptions, display: Display): Promise<Outcome> =>
    trainOne(experiment, placed, display, own);
  await ranks.inRank(own, () => trainPlaced(options, own, inRank));
}

/** What a training came to, and what to say of it. */
interface Outcome {
  readonly interrupted: boolean;
  readonly text: string;
}

type Training = (options: MainOptions, display: Display) => Promise<Outcome>;

/** Trains; where the run is to lie in object storage, in a folder of its own, which is copied there again and again. */
async function trainPlaced(options: MainOptions, ranks: Collective | undefined, training: Training): Promise<void> {
  const silent = options.quiet === true || options.json === true || !isLead(ranks);
  const display = createDisplay(silent);
  const remote = isLead(ranks) ? await remoteRunOf(options, silent) : undefined;
  if (remote === undefined) {
    const outcome = await training(options, display);
    return report(isLead(ranks) ? outcome : { ...outcome, text: '' }, options);
  }
  const place = options.resume === undefined ? { out: remote.folder } : { resume: remote.folder };
  const shown: Display = {
    ...display,
    data: (data, rejected) => display.data(data, rejected && remote.shown(rejected)),
    lost: (ledger, rejected) => display.lost(ledger, rejected && remote.shown(rejected)),
    onCheckpoint: () => remote.checkpoint(),
  };
  let outcome: Outcome;
  try {
    outcome = await training({ ...options, ...place }, shown);
  } catch (error) {
    await remote.giveUp();
    throw error;
  }
  await remote.finish();
  report({ ...outcome, text: remote.shown(outcome.text) }, options);
}

async function remoteRunOf({ resume, out, overwrite }: MainOptions, silent: boolean): Promise<RemoteRun | undefined> {
  const location = resume ?? out;
  if (location === undefined || !isObjectLocation(location)) return undefined;
  const { openRemoteRun } = await import('./remote-run.js');
  return openRemoteRun(location, { resume: resume !== undefined, overwrite: overwrite === true, silent });
}

/** An abort signal of Ctrl-C and SIGTERM, and of SIGUSR2 where there are ranks, to whom launchers pass it on. */
function stopSignal(ranks: Collective | undefined): ReturnType<typeof interruptSignal> {
  const say = (): void => {
    if (isLead(ranks)) process.stderr.write('\nStopping: saving a checkpoint first (Ctrl-C again ends at once) …\n');
  };
  return interruptSignal(say, ranks === undefined ? [] : ['SIGUSR2']);
}

const isLead = (ranks: Collective | undefined): boolean => ranks === undefined || ranks.rank === 0;

async function trainFolds(experiment: string | undefined, options: MainOptions, display: Display): Promise<Outcome> {
  const interrupt = stopSignal(undefined);
  try {
    const result = await trainAllFolds(experiment, options, display, interrupt.signal);
    const text = options.json === true ? `${JSON.stringify(result)}\n` : foldsText(result);
    return { interrupted: result.outcome === 'interrupted', text };
  } finally {
    interrupt.release();
  }
}

async function trainOne(
  experiment: string | undefined,
  options: MainOptions,
  display: Display,
  ranks?: Collective,
): Promise<Outcome> {
  const { cache, stopAfter: stopAfterEpochs, allowDownload = false, examples, distributedCheck: checkEvery } = options;
  const tracker = options.track === undefined || !isLead(ranks) ? undefined : openTracker(options.track);
  const { config, run, services, release } = await prepare(experiment, options, display, ranks);
  await keepFreedMemory(config);
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
    const text = options.json === true ? `${JSON.stringify(result)}\n` : resultText(result, ranks);
    return { interrupted: result.outcome === 'interrupted', text };
  } finally {
    interrupt.release();
    await release();
  }
}

function tellNotes(notes: readonly string[], { quiet, json }: MainOptions, ranks: Collective): void {
  if (quiet === true || json === true || !isLead(ranks)) return;
  for (const note of notes) process.stderr.write(`note: ${note}\n`);
}

/** A training that was interrupted has said so; it was asked to where `--stop-after` is given. */
function report({ interrupted, text }: Outcome, { stopAfter }: MainOptions): void {
  process.stdout.write(text);
  if (interrupted) throw new ExitRequest(stopAfter === undefined ? EXIT.interrupted : EXIT.ok);
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
    const others = { '--out': options.out, '--data': options.data, '--preset': options.preset };
    const given = Object.entries(others).flatMap(([flag, value]) => (value === undefined ? [] : [flag]));
    const changed = [...Object.keys(overrides), ...given];
    if (experiment !== undefined || changed.length > 0) {
      throw new ConfigurationError({
        subject: '--resume',
        expected: 'no other experiment, option or folder: a run goes on as it was configured',
        received: experiment ?? changed.join(', '),
        remedy: 'leave it out, or start a new run',
      });
    }
    const { resume } = options;
    const opened = await open(() => RunFolder.open(resume));
    return { config: (await opened.run.readDescription()).config, ...opened };
  }
  const { data: files, preset } = options;
  const progress = display.job('Reading posts', 'posts');
  const choice = { experiment, data: files, preset, overrides, onProgress: progress.update };
  const chosen = chooseExperiment(choice).finally(progress.stop);
  const { configure, data } = await chosen.catch(async (error: unknown) => {
    if (error instanceof UnusableDataError) await tellLoss(error, await configBefore(choice), options, display);
    throw error;
  });
  const config = configure({});
  const created = await open(() => newRun(config, options));
  return { config, ...created, ...(data === undefined ? {} : { services: { openData: () => Promise.resolve(data) } }) };
}

/** The experiment on one's own posts, as far as it is known without them. */
async function configBefore({
  experiment,
  data: files = [],
  preset,
  overrides,
}: ExperimentChoice): Promise<ExperimentConfig> {
  const base = typeof experiment === 'string' ? await readExperiment(experiment) : experiment;
  return ownConfig({ files, experiment: base, preset, overrides }, 0);
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

function resultText({ outcome, run, selected, notes, report }: TrainResult, ranks: Collective | undefined): string {
  const noted = notes.map((note) => `${note}\n`).join('');
  if (outcome === 'interrupted') {
    const again = ranks === undefined ? '' : ', or by mpirun as before, with --distributed mpi';
    return `Stopped. Go on with: ${spell(`train --resume ${run}`)}${again}\n${noted}`;
  }
  const early = outcome === 'stopped-early' ? ' (stopped early: no better epoch for a while)' : '';
  const { validation = null } = selected ?? {};
  const scores = validation === null ? '' : `, validation accuracy ${accuracyText(validation.accuracy, validation.posts)}`; // prettier-ignore
  const epoch = selected === undefined ? '' : `; result: epoch ${selected.epoch}${scores}`;
  return [
    `Trained${early}${epoch}.\n${noted}`,
    `Run:      ${run}\nReport:   ${report}\n`,
    `Evaluate: ${spell(`eval ${run}`)}\n`,
  ].join('');
}
