import { basename, extname, resolve } from 'node:path';
import {
  openExperimentData,
  parseForMethod,
  type ExperimentConfig,
  type ExperimentData,
  type ExperimentFile,
} from '@drf/experiment';
import { isObjectLocation } from '@drf/storage';
import { ConfigurationError } from '@drf/tensor';
import { BY_METHOD, FROZEN_ENCODERS } from './experiments.js';

/** Below so many training posts, options are those that were measured on few (the quick start's). */
const FEW_TRAINING_POSTS = 2000;
/** A training takes about so many steps, within bounds of epochs; see docs/notebook.md for what was measured. */
const STEPS = 300;
const EPOCHS = { fewest: 8, most: 20 } as const;

/**
 * An experiment on one's own posts with options that fit their number: frozen embedded encoders, DRF.
 * @param posts of the training split
 */
export function ownExperiment(posts: number): Omit<ExperimentFile, 'name' | 'dataset'> {
  const isFew = posts < FEW_TRAINING_POSTS;
  const stepsAnEpoch = Math.max(1, Math.ceil(posts / 16));
  const epochs = Math.min(EPOCHS.most, Math.max(EPOCHS.fewest, Math.round(STEPS / stepsAnEpoch)));
  return {
    model: { ...(isFew ? { dim: 128, queueCapacity: 256 } : { dim: 256 }), ...FROZEN_ENCODERS },
    training: { epochs, learningRate: isFew ? 3e-4 : 1e-4 },
    methods: BY_METHOD,
  };
}

/** A run's name after its file: "my posts (2).csv" → "my-posts-2". */
export function nameAfter(file: string): string {
  const stem = basename(file, extname(file));
  const name = stem
    .normalize('NFKD')
    .replace(/\p{M}/gu, '')
    .replace(/[^\w.+-]+/g, '-')
    .replace(/^[-.]+|[-.]+$/g, '')
    .slice(0, 60);
  return name === '' ? 'posts' : name;
}

/** How a run's folder is called where nobody says: `posts-drf-seed0`, and of a fold `posts-drf-seed0-fold2of5`. */
export function runName({ name, method, seed, dataset: { folds, fold = 1 } }: ExperimentConfig): string {
  return `${name}-${method}-seed${seed}${folds === undefined ? '' : `-fold${fold}of${folds}`}`;
}

/**
 * The experiment of `--data`, before and after its posts are known.
 * @param files of posts; with several, each one's name is the split of its posts
 * @param base an experiment whose data set gives way; default {@link ownExperiment}
 * @param overrides from flags
 * @throws ConfigurationError for flags that name another data set
 */
export function ownConfig(
  files: readonly string[],
  base: unknown,
  overrides: Readonly<Record<string, unknown>>,
  trainingPosts: number,
): ExperimentConfig {
  const { name: otherName, file: otherFile } = (overrides.dataset ?? {}) as { name?: string; file?: string };
  if ((otherName !== undefined && otherName !== 'posts') || otherFile !== undefined) {
    throw new ConfigurationError({
      subject: '--data',
      expected: 'no other data set beside it',
      received: otherFile === undefined ? `--dataset.name ${otherName}` : `--dataset.file ${otherFile}`,
      remedy: 'leave one of them out',
    });
  }
  const paths = files.map((file) => (isObjectLocation(file) ? file : resolve(file)));
  const own = {
    ...((base ?? ownExperiment(trainingPosts)) as Record<string, unknown>),
    name: nameAfter(files[0] as string),
    dataset: { name: 'posts', file: paths.length === 1 ? paths[0] : paths },
  };
  return parseForMethod(own, [overrides], `--data ${files.join(' ')}`);
}

/**
 * Opens one's own posts, and chooses options that fit their number.
 * @param base as in {@link ownConfig}
 * @throws ConfigurationError and DataError as `openExperimentData` and {@link ownConfig}
 */
export async function openOwnData(
  files: readonly string[],
  base: unknown,
  overrides: Readonly<Record<string, unknown>>,
  onProgress?: (done: number, total: number) => void,
): Promise<{ readonly config: ExperimentConfig; readonly data: ExperimentData }> {
  const { dataset } = ownConfig(files, base, overrides, 0);
  const data = await openExperimentData(dataset, onProgress);
  return { data, config: ownConfig(files, base, overrides, data.splits.train.length) };
}
