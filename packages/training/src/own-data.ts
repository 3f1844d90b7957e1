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
import { BY_METHOD, epochsFor, FEW_TRAINING_POSTS, FROZEN_ENCODERS, underPreset, type PresetName } from './presets.js';

/**
 * An experiment on one's own posts with options that fit their number: frozen embedded encoders, DRF.
 * @param posts of the training split
 */
export function ownExperiment(posts: number): Omit<ExperimentFile, 'name' | 'dataset'> {
  const isFew = posts < FEW_TRAINING_POSTS;
  return {
    model: { ...(isFew ? { dim: 128, queueCapacity: 256 } : { dim: 256 }), ...FROZEN_ENCODERS },
    training: { epochs: epochsFor(posts, 8), learningRate: isFew ? 3e-4 : 1e-4 },
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

/** One's own posts, and what is said of training on them. */
interface OwnChoice {
  /** Of posts; with several, each one's name is the split of its posts. */
  readonly files: readonly string[];
  /** An experiment whose data set gives way; default {@link ownExperiment}. */
  readonly experiment?: unknown;
  /** Laid over the experiment. */
  readonly preset?: PresetName | undefined;
  /** Options laid over all. */
  readonly overrides: Readonly<Record<string, unknown>>;
}

/**
 * The experiment of `--data`, before and after its posts are known.
 * @throws ConfigurationError for options that name another data set, and for an unknown preset
 */
export function ownConfig(choice: OwnChoice, trainingPosts: number): ExperimentConfig {
  const { files, experiment = ownExperiment(trainingPosts), preset, overrides } = choice;
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
    ...(experiment as Record<string, unknown>),
    name: nameAfter(files[0] as string),
    dataset: { name: 'posts', file: paths.length === 1 ? paths[0] : paths },
  };
  const [file, ...layers] = underPreset(own, preset, overrides, trainingPosts);
  return parseForMethod(file, [...layers, overrides], `--data ${files.join(' ')}`);
}

/**
 * Opens one's own posts, and chooses options that fit their number.
 * @throws ConfigurationError and DataError as `openExperimentData` and {@link ownConfig}
 */
export async function openOwnData(
  choice: OwnChoice,
  onProgress?: (done: number, total: number) => void,
): Promise<{ readonly config: ExperimentConfig; readonly data: ExperimentData }> {
  const { dataset } = ownConfig(choice, 0);
  const data = await openExperimentData(dataset, onProgress);
  return { data, config: ownConfig(choice, data.splits.train.length) };
}
