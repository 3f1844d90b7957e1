import { join } from 'node:path';
import { UnusableDataError } from '@drf/datasets';
import {
  mergeConfig,
  openExperimentData,
  overridesFrom,
  RunFolder,
  startSession,
  type ExperimentConfig,
  type ExperimentData,
} from '@drf/experiment';
import { isObjectLocation } from '@drf/storage';
import { ConfigurationError, refuser } from '@drf/tensor';
import {
  chooseExperiment,
  createDisplay,
  estimateText,
  estimateTraining,
  keepFreedMemory,
  runName,
  trainsAllFolds,
} from '@drf/training';
import type { MainOptions } from './flags.js';

/** Options of trainings that are not measured, and what to do instead. */
const REFUSED = {
  distributed:
    'leave it out: N ranks train what one process does, with --training.accumulate N, and each computes one part in N of every step',
  resume: 'leave it out, and name the experiment and its options',
  stopAfter: 'leave it out, or set --training.epochs: it says what a whole training takes',
} as const;

/** `drf train --dry-run`: says what a training will take, and writes nothing. */
export async function dryRun(experiment: string | undefined, options: MainOptions): Promise<void> {
  for (const [name, remedy] of Object.entries(REFUSED)) {
    if (options[name as keyof typeof REFUSED] === undefined) continue;
    const flag = `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
    throw refuser(ConfigurationError, '--dry-run')('a new training in one process, which is what it measures', flag, remedy); // prettier-ignore
  }
  const display = createDisplay(options.quiet === true || options.json === true);
  const { config, openData, trainings } = await chosen(experiment, options);
  const out = options.out ?? join('runs', runName(config));
  const isOneRun = trainings === 1 && !isObjectLocation(out);
  if (isOneRun) await RunFolder.assertFree(out, { overwrite: options.overwrite === true });
  await keepFreedMemory(config); // as the training would, whose steps are measured
  const estimate = await estimateTraining({
    config,
    cache: options.cache,
    out,
    display,
    trainings,
    openData: async () => {
      const progress = display.job('Reading the data set', 'posts');
      try {
        return await openData(progress.update);
      } catch (error) {
        progress.stop();
        if (error instanceof UnusableDataError) display.lost(error.ledger, null);
        throw error;
      } finally {
        progress.stop();
      }
    },
    startSession: (own) => startSession(own),
  });
  process.stdout.write(options.json === true ? `${JSON.stringify(estimate)}\n` : estimateText(estimate));
}

interface Chosen {
  readonly config: ExperimentConfig;
  readonly trainings: number;
  openData(onProgress: (done: number, total: number) => void): Promise<ExperimentData>;
}

/** The experiment as `train` would choose it; of all folds the first. */
async function chosen(experiment: string | undefined, options: MainOptions): Promise<Chosen> {
  const isAllFolds = trainsAllFolds(options.preset, options['dataset.fold']);
  const named = options.columns === undefined ? {} : { dataset: { columns: options.columns } };
  const flags = isAllFolds ? { ...options, 'dataset.fold': '1' } : options;
  const overrides = mergeConfig(named, overridesFrom(flags)) as Record<string, unknown>;
  const { data: files, preset } = options;
  const { configure, data } = await chooseExperiment({ experiment, data: files, preset, overrides });
  const config = configure({});
  return {
    config,
    trainings: trainingsOf(config, isAllFolds),
    openData: (onProgress) =>
      data === undefined ? openExperimentData(config.dataset, onProgress) : Promise.resolve(data),
  };
}

function trainingsOf({ dataset: { folds } }: ExperimentConfig, isAllFolds: boolean): number {
  if (!isAllFolds) return 1;
  if (folds !== undefined) return folds;
  const expected = 'the number of folds beside --dataset.fold all';
  throw refuser(ConfigurationError, 'train')(expected, 'none', 'say how many: --dataset.folds 5');
}
