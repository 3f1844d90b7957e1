import { contentHash } from '@drf/files';
import type { ExperimentConfig } from '@drf/experiment';

/**
 * Version of the results that the code gives for a training and its cells. Raise it by one with every change after which
 * the same experiment on the same data gives other probabilities: of the model, its losses, the trainer, the encoders,
 * the engine, the disruptions or the reading of data. What stores hold of earlier versions is then computed again. A test
 * guards it: it trains a tiny model and compares its probabilities bit by bit with those of this version.
 */
export const RESULT_VERSION = 1;

/** Options that change no result, or whose effect the hash of the data covers: where things lie, how splits came about. */
const WITHOUT_EFFECT = new Set([
  'name',
  'engine', // the resolved engine counts, not the word that chose it
  'dataset.root',
  'dataset.file',
  'dataset.columns.id',
  'dataset.columns.text',
  'dataset.columns.image',
  'dataset.columns.label',
  'dataset.columns.split',
  'dataset.splits',
  'dataset.trainSplit',
  'dataset.valSplit',
  'dataset.testSplit',
  'dataset.trainFraction',
  'dataset.valFraction',
  'dataset.splitSizes',
  'dataset.splitSeed',
  'dataset.folds',
  'dataset.fold',
  'dataset.limit',
  'encoders.batchSize',
  'training.checkpointEvery',
  'training.keepCheckpoints',
]);

/** What decides a training's result. */
export interface TrainingIdentity {
  readonly config: ExperimentConfig;
  /** Hash of the training and validation posts: ids, labels, contents, and how they are decoded. */
  readonly data: string;
  readonly encoders: { readonly image: string; readonly text: string };
  readonly engine: string;
}

/** Equal for trainings that must give equal results under equal code. */
export function trainingIdentity({ config, data, encoders, engine }: TrainingIdentity): string {
  return contentHash('drf-training/1', JSON.stringify(optionsOf(config)), data, encoders.image, encoders.text, engine);
}

/** @param training its identity @param posts hash of the evaluated posts' ids, labels and contents @param cell such as `fixed:image:C` */
export function cellIdentity(training: string, posts: string, cell: string): string {
  return contentHash('drf-cell/1', training, posts, cell);
}

/** The options that count, by dotted name, in alphabetical order. */
function optionsOf(config: ExperimentConfig): [string, unknown][] {
  const options: [string, unknown][] = [];
  const walk = (node: object, prefix: string): void => {
    for (const [key, value] of Object.entries(node) as [string, unknown][]) {
      const name = prefix + key;
      if (WITHOUT_EFFECT.has(name) || value === undefined) continue;
      if (typeof value === 'object' && value !== null && !Array.isArray(value)) walk(value, `${name}.`);
      else options.push([name, value]);
    }
  };
  walk(config, '');
  return options.sort(([first], [second]) => (first < second ? -1 : 1));
}
