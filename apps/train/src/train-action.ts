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
import { isObjectLocation } from '@drf/storage';
import { ConfigurationError } from '@drf/tensor';
import { EXIT, ExitRequest, interruptSignal, spell } from '@drf/terminal';
import {
  createDisplay,
  EXPERIMENTS,
  loadExperiment,
  openOwnData,
  openTracker,
  ownConfig,
  readExperiment,
  runName,
  train,
  writeLedger,
  type Display,
  type TrainOptions,
  type TrainResult,
} from '@drf/training';
import { asksForAllFolds, foldsText, trainAllFolds } from './all-folds.js';
import type { MainOptions } from './flags.js';
import type { RemoteRun } from './remote-run.js';

/** `drf train`. */
export async function trainAction(experiment: string | undefined, options: MainOptions): Promise<void> {
  const silent = options.quiet === true || options.json === true;
  const display = createDisplay(silent);
  const remote = await remoteRunOf(options, silent);
  if (remote === undefined) return report(await trainIn(experiment, options, display), options);
  const place = options.resume === undefined ? { out: remote.folder } : { resume: remote.folder };
  let outcome: Outcome;
  try {
    const watched = { ...display, onCheckpoint: () => remote.checkpoint() };
    outcome = await trainIn(experiment, { ...options, ...place }, watched);
  } catch (error) {
    await remote.giveUp();
    throw error;
  }
  await remote.finish();
  report(outcome, options, (text) => remote.shown(text));
}

/** What a training came to, and what to say of it. */
interface Outcome {
  readonly interrupted: boolean;
  readonly text: string;
}

async function remoteRunOf({ resume, out, overwrite }: MainOptions, silent: boolean): Promise<RemoteRun | undefined> {
  const location = resume ?? out;
  if (location === undefined || !isObjectLocation(location)) return undefined;
  const { openRemoteRun } = await import('./remote-run.js');
  return openRemoteRun(location, { resume: resume !== undefined, overwrite: overwrite === true, silent });
}

async function trainIn(experiment: string | undefined, options: MainOptions, display: Display): Promise<Outcome> {
  const tracker = options.track === undefined ? undefined : openTracker(options.track);
  const prepared = (await asksForAllFolds(options)) ? undefined : await prepare(experiment, options, display);
  const interrupt = interruptSignal(() => {
    process.stderr.write('\nStopping: saving a checkpoint first (Ctrl-C again ends at once) …\n');
  });
  try {
    const { cache, stopAfter } = options;
    if (prepared === undefined) {
      const result = await trainAllFolds(experiment, options, display, interrupt.signal);
      const text = options.json === true ? `${JSON.stringify(result)}\n` : foldsText(result);
      return { interrupted: result.outcome === 'interrupted', text };
    }
    const { config, run, services } = prepared;
    const result = await train({
      config,
      run,
      resume: options.resume !== undefined,
      cache,
      display,
      signal: interrupt.signal,
      stopAfterEpochs: stopAfter,
      allowDownload: options.allowDownload ?? false,
      tracker,
      examples: options.examples,
      ...(services === undefined ? {} : { services }),
    });
    const text = options.json === true ? `${JSON.stringify(result)}\n` : resultText(result);
    return { interrupted: result.outcome === 'interrupted', text };
  } finally {
    interrupt.release();
  }
}

/** @param shown gives the text on, with names that last */
function report(
  { interrupted, text }: Outcome,
  { stopAfter }: MainOptions,
  shown: (text: string) => string = (same) => same,
): void {
  process.stdout.write(shown(text));
  if (interrupted) throw new ExitRequest(stopAfter === undefined ? EXIT.interrupted : EXIT.ok);
}

/** A new run, or the one to go on with; its own configuration then decides, and changes are refused. */
async function prepare(
  experiment: string | undefined,
  options: MainOptions,
  display: Display,
): Promise<{ config: ExperimentConfig; run: RunFolder; services?: TrainOptions['services'] }> {
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
    const run = await RunFolder.open(options.resume);
    return { config: (await run.readDescription()).config, run };
  }
  if (options.data !== undefined) {
    const base = experiment === undefined ? undefined : await readExperiment(experiment);
    const progress = display.job('Reading posts', 'posts');
    const opened = openOwnData(options.data, base, overrides, progress.update).finally(progress.stop);
    const { config, data } = await opened.catch(async (error: unknown) => {
      if (error instanceof UnusableDataError) await tellLoss(error, ownConfig(options.data ?? [], base, overrides, 0), options, display); // prettier-ignore
      throw error;
    });
    return { config, run: await newRun(config, options), services: { openData: () => Promise.resolve(data) } };
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
  return { config, run: await newRun(config, options) };
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

function resultText({ outcome, run, selected, notes, report }: TrainResult): string {
  const noted = notes.map((note) => `${note}\n`).join('');
  if (outcome === 'interrupted') return `Stopped. Go on with: ${spell(`train --resume ${run}`)}\n${noted}`;
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
