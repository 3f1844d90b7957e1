import { makeSplits, type PostRecord } from '@drf/datasets';
import { ConfigurationError } from '@drf/tensor';
import type { ExperimentData } from './data.js';
import type { DatasetConfig } from './schema.js';

/**
 * Cross-validation: training and test posts together are dealt out into `folds` parts that hold every class in the same
 * share; part `fold` becomes the test split, the others the training split. The validation split stays, so that what
 * chooses the epoch is never what is judged. Over all folds each post is judged once, by a model that did not see it,
 * but for the only post of a class, which is trained on. The same `splitSeed` deals the same folds.
 * @throws ConfigurationError when there are fewer posts than folds
 */
export function withFold(
  data: ExperimentData,
  { folds, fold = 1, splitSeed }: Pick<DatasetConfig, 'folds' | 'fold' | 'splitSeed'>,
): ExperimentData {
  if (folds === undefined) return data;
  const { dataset, splits } = data;
  const records = [...splits.train, ...splits.test];
  if (folds > records.length) throw tooMany(folds, records.length);
  const names = Array.from({ length: folds }, (_, i) => `fold ${i + 1} of ${folds}`);
  const dealt = makeSplits(
    { records, classes: dataset.classes },
    { fractions: Object.fromEntries(names.map((name) => [name, 1])), seed: splitSeed },
  );
  const dealtOut = new Set(dealt[names[fold - 1] as string]);
  const isTested = ({ id, label }: PostRecord): boolean =>
    dealtOut.has(id) && records.some((other) => other.label === label && other.id !== id);
  const test = records.filter(isTested);
  const tested = new Set(test);
  return { ...data, splits: { train: records.filter((record) => !tested.has(record)), val: splits.val, test } };
}

function tooMany(folds: number, posts: number): ConfigurationError {
  return new ConfigurationError({
    subject: 'dataset.folds',
    expected: `at most ${posts}, the number of training and test posts`,
    received: String(folds),
    remedy: 'ask for fewer folds, or bring more posts',
  });
}
