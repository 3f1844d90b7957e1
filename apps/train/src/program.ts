import { join } from 'node:path';
import { POST_COLUMNS, UnusableDataError, type ColumnNames } from '@drf/datasets';
import {
  accuracyText,
  addConfigFlags,
  departuresFromLetter,
  mergeConfig,
  overridesFrom,
  RunFolder,
  takeOwnModules,
  type ExperimentConfig,
} from '@drf/experiment';
import {
  collect,
  createProgram,
  EXIT,
  ExitRequest,
  interruptSignal,
  valuesByName,
  wholeNumber,
  spell,
  type Command,
} from '@drf/terminal';
import { ConfigurationError } from '@drf/tensor';
import { createDisplay, type Display } from '@drf/training';
import { EXPERIMENTS } from '@drf/training';
import { loadExperiment, readExperiment } from '@drf/training';
import { openOwnData, ownConfig } from '@drf/training';
import { writeLedger } from '@drf/training';
import { train, type TrainOptions, type TrainResult } from '@drf/training';
import { cacheFolder } from '@drf/files';
import { asksForAllFolds, foldsText, trainAllFolds } from './all-folds.js';

interface MainOptions extends Record<string, unknown> {
  readonly data?: readonly string[];
  readonly columns?: ColumnNames;
  readonly out?: string;
  readonly overwrite?: boolean;
  readonly resume?: string;
  readonly allowDownload?: boolean;
  readonly cache: string;
  readonly stopAfter?: number;
  readonly json?: boolean;
  readonly quiet?: boolean;
}

/** The command that trains. */
export function createTrainProgram(): Command {
  const program = createProgram('train', 'Trains a sentiment model on image-text posts.', [
    [spell('train quickstart'), 'the embedded data; nothing is downloaded'],
    [spell('train mvsa-s --dataset.root DIR --seed 1'), 'DRF on MVSA-Single'],
    [spell('train mvsa-s --dataset.root DIR --method concatenation'), 'the simplest method to compare with'],
    [spell('train mvsa-s --dataset.root DIR --training.disruption random:0.6:C+D'), 'with disrupted posts'],
    [spell('train --data my.csv'), 'your own posts: image paths, texts and labels, in CSV, JSON Lines or Parquet'],
    [spell('train --data my.csv --columns text=body,label=mood'), 'whose columns have other names'],
    [spell('train --data train.csv --data test.csv'), 'in files that are splits'],
    [spell('train --data my.csv --dataset.folds 5 --dataset.fold all'), 'five runs that judge together as an ensemble'],
    [spell('train my-experiment.json --out runs/mine'), 'your own experiment file'],
    [spell('train --resume runs/mvsa-s-drf-seed0'), 'go on where an interrupted run stopped'],
  ])
    .argument('[experiment]', `${[...EXPERIMENTS.keys()].join(', ')}, or a .json, .js or .ts file`)
    .option('--data <file>', 'your own posts; repeat it for files that are splits (train, val, test)', collect)
    .option(
      '--columns <names>',
      `which column is which, of ${POST_COLUMNS.join(', ')}, such as text=body,label=mood; id= for none`,
      valuesByName(POST_COLUMNS, 'text=body,label=mood'),
    )
    .option('--out <folder>', 'run folder (default: runs/NAME-METHOD-seedSEED)')
    .option('--overwrite', 'start anew when the run folder holds a run')
    .option('--resume <run>', 'go on with an interrupted run, exactly as if it had not stopped')
    .option(
      '--allow-download',
      'with --resume: fetch encoders that the run names and the cache lacks from the Hugging Face hub',
    )
    .option('--stop-after <epochs>', 'stop after so many epochs in all, as if interrupted', wholeNumber(1))
    .option('--cache <folder>', 'feature cache', join(cacheFolder(), 'features'))
    .option('--quiet', 'no progress')
    .option('--json', 'print the result as JSON; no progress');
  return takeOwnModules(addConfigFlags(program)).action(trainAction);
}

async function trainAction(experiment: string | undefined, options: MainOptions): Promise<void> {
  const display = createDisplay(options.quiet === true || options.json === true);
  const prepared = (await asksForAllFolds(options)) ? undefined : await prepare(experiment, options, display);
  const interrupt = interruptSignal(() => {
    process.stderr.write('\nStopping: saving a checkpoint first (Ctrl-C again ends at once) …\n');
  });
  try {
    const { cache, stopAfter } = options;
    if (prepared === undefined) {
      const result = await trainAllFolds(experiment, options, display, interrupt.signal);
      process.stdout.write(options.json === true ? `${JSON.stringify(result)}\n` : foldsText(result));
      if (result.outcome === 'interrupted') throw new ExitRequest(stopAfter === undefined ? EXIT.interrupted : EXIT.ok);
      return;
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
      ...(services === undefined ? {} : { services }),
    });
    report(result, options.json === true);
    if (result.outcome === 'interrupted') throw new ExitRequest(stopAfter === undefined ? EXIT.interrupted : EXIT.ok);
  } finally {
    interrupt.release();
  }
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
  const { folds, fold = 1 } = config.dataset;
  const part = folds === undefined ? '' : `-fold${fold}of${folds}`;
  const folder = out ?? join('runs', `${config.name}-${config.method}-seed${config.seed}${part}`);
  return RunFolder.create(folder, { overwrite: overwrite === true });
}

function report(result: TrainResult, asJson: boolean): void {
  if (asJson) {
    process.stdout.write(`${JSON.stringify(result)}\n`);
    return;
  }
  const { outcome, run, selected, notes } = result;
  if (outcome === 'interrupted') {
    process.stdout.write(`Stopped. Go on with: ${spell(`train --resume ${run}`)}\n`);
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
