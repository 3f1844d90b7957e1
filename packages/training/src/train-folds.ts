import { mkdir, readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { RunFolder, type ExperimentConfig } from '@drf/experiment';
import { ENSEMBLE_FILE, fileHash, writeEnsemble, type EnsembleMember } from '@drf/files';
import { ConfigurationError, refuser } from '@drf/tensor';
import type { Tracker } from './tracking/tracker.js';
import { train, type TrainOptions, type TrainResult } from './train.js';

export interface FoldsOptions extends Pick<
  TrainOptions,
  'cache' | 'display' | 'signal' | 'stopAfterEpochs' | 'allowDownload' | 'examples' | 'services'
> {
  /** With `dataset.folds`; its `dataset.fold` does not count. */
  readonly config: ExperimentConfig;
  /** Where the runs go: `fold1`, `fold2`, … */
  readonly folder: string;
  /** Start anew in a folder that holds folds already. */
  readonly overwrite?: boolean;
  /** Opens what is told how a fold's training goes, one for each. */
  readonly openTracker?: (() => Tracker) | undefined;
  /** Told of each fold before it is trained. */
  readonly onFold?: (fold: number, folds: number) => void;
}

export interface FoldsResult {
  readonly outcome: 'finished' | 'interrupted';
  /** Of the ensemble. */
  readonly folder: string;
  /** One a fold that was trained now. */
  readonly trained: readonly TrainResult[];
  /** Paths of all finished runs, those of earlier times included. */
  readonly runs: readonly string[];
}

/** Where `pnpm eval` writes what it finds of the folds. */
const EVALUATION = 'eval';
const FOLD_NAME = /^fold(\d+)$/;

/**
 * Trains every fold of a cross-validation, one after the other, into one folder, and makes it an ensemble of them. Going
 * on in the same folder trains what is missing: a finished fold is not trained again, an interrupted one goes on.
 * @throws as {@link train}; ConfigurationError for an experiment without folds, for a folder that holds something else, and
 *   for one whose folds were trained with other options
 */
export async function trainFolds(options: FoldsOptions): Promise<FoldsResult> {
  const { config, folder, overwrite = false, onFold } = options;
  const { folds } = config.dataset;
  if (folds === undefined) {
    const expected = 'the number of folds beside --dataset.fold all';
    throw refuser(ConfigurationError, 'train')(expected, 'none', 'say how many: --dataset.folds 5');
  }
  await prepareFolder(folder, overwrite);
  const configs = Array.from({ length: folds }, (_, i) => ofFold(config, i + 1));
  for (const own of configs) await assertSame(foldPath(folder, own), own); // before hours of training
  const trained: TrainResult[] = [];
  const members: EnsembleMember[] = [];
  for (const own of configs) {
    const path = foldPath(folder, own);
    if (!(await isFinished(path))) {
      onFold?.(own.dataset.fold as number, folds);
      const result = await trainFold(path, own, options);
      trained.push(result);
      if (result.outcome === 'interrupted') {
        return { outcome: 'interrupted', folder, trained, runs: members.map(({ folder: run }) => run) };
      }
    }
    const run = await RunFolder.open(path);
    members.push({ folder: path, sha256: await fileHash(await run.resultCheckpoint()) });
  }
  await writeEnsemble(folder, members);
  return { outcome: 'finished', folder, trained, runs: members.map(({ folder: run }) => run) };
}

/** The experiment of a folder that {@link trainFolds} trains in; nothing for another folder. */
export async function readFoldsConfig(folder: string): Promise<ExperimentConfig | undefined> {
  const first = await RunFolder.open(join(folder, 'fold1')).catch(() => undefined);
  return first === undefined ? undefined : (await first.readDescription()).config;
}

function ofFold(config: ExperimentConfig, fold: number): ExperimentConfig {
  return { ...config, dataset: { ...config.dataset, fold } };
}

const foldPath = (folder: string, { dataset }: ExperimentConfig): string => join(folder, `fold${dataset.fold}`);

/** @throws ConfigurationError for a folder with something other than folds, and for one to be overwritten without leave */
async function prepareFolder(folder: string, overwrite: boolean): Promise<void> {
  await mkdir(folder, { recursive: true });
  const present = await readdir(folder);
  const foreign = present.find((name) => ![ENSEMBLE_FILE, EVALUATION].includes(name) && !FOLD_NAME.test(name));
  if (foreign !== undefined) {
    const refuse = refuser(ConfigurationError, `Folder ${folder}`);
    throw refuse('nothing but folds of a cross-validation', foreign, 'choose another --out');
  }
  if (!overwrite) return;
  await rm(join(folder, ENSEMBLE_FILE), { force: true });
  await rm(join(folder, EVALUATION), { recursive: true, force: true });
  for (const name of present.filter((own) => FOLD_NAME.test(own))) {
    await RunFolder.create(join(folder, name), { overwrite: true }); // deletes runs alone
    await rm(join(folder, name), { recursive: true });
  }
}

/** @throws ConfigurationError where a run was trained with other options than those asked for now */
async function assertSame(path: string, config: ExperimentConfig): Promise<void> {
  const run = await RunFolder.open(path).catch(() => undefined);
  if (run === undefined) return;
  const { config: earlier } = await run.readDescription();
  const [own, other] = [flat(config), flat(earlier)];
  const differing = [...new Set([...own.keys(), ...other.keys()])].find((name) => own.get(name) !== other.get(name));
  if (differing === undefined) return;
  throw refuser(ConfigurationError, `Run folder ${path}`)(
    `a fold trained with ${differing} ${own.get(differing) ?? 'left out'}, as asked for now`,
    other.get(differing) ?? 'left out',
    'choose another --out, or start anew with --overwrite',
  );
}

/** Options by dotted name. */
function flat(value: object, prefix = ''): Map<string, string> {
  return new Map(
    Object.entries(value).flatMap(([key, own]: [string, unknown]): [string, string][] => {
      if (own === undefined) return [];
      const isGroup = typeof own === 'object' && own !== null && !Array.isArray(own);
      return isGroup ? [...flat(own, `${prefix}${key}.`)] : [[prefix + key, JSON.stringify(own)]];
    }),
  );
}

/** Calibration is measured when training has ended. */
async function isFinished(path: string): Promise<boolean> {
  return stat(join(path, 'calibration.json')).then(() => true, () => false); // prettier-ignore
}

async function trainFold(path: string, config: ExperimentConfig, options: FoldsOptions): Promise<TrainResult> {
  const { cache, display, signal, stopAfterEpochs, allowDownload, examples, services, openTracker } = options;
  const run = await RunFolder.open(path).catch(() => undefined);
  const resume = run !== undefined && (await run.checkpointSteps()).length > 0;
  return train({
    config,
    run: resume ? run : await RunFolder.create(path, { overwrite: true }),
    resume,
    cache,
    display,
    signal,
    stopAfterEpochs,
    allowDownload,
    examples,
    services,
    tracker: openTracker?.(),
  });
}
