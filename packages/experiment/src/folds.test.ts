import { ConfigurationError } from '@drf/tensor';
import { beforeAll, describe, expect, it } from 'vitest';
import { openExperimentData, parseExperiment, type ExperimentData } from './index.js';
import { withFold } from './data.js';

const config = parseExperiment({ name: 'folds', dataset: { name: 'embedded', imageSize: 16 } }, 'test');
let whole: ExperimentData;
beforeAll(async () => {
  whole = await openExperimentData(config.dataset);
});

const idsOf = (data: ExperimentData, split: 'train' | 'val' | 'test'): string[] =>
  data.splits[split].map(({ id }) => id);

describe('folds', () => {
  it('test every training and test post once, and train on all others of them', () => {
    const folds = [1, 2, 3, 4].map((fold) => withFold(whole, { folds: 4, fold, splitSeed: 0 }));
    const pool = [...idsOf(whole, 'train'), ...idsOf(whole, 'test')].sort();
    expect(folds.flatMap((data) => idsOf(data, 'test')).sort()).toEqual(pool);
    for (const data of folds) {
      expect([...idsOf(data, 'train'), ...idsOf(data, 'test')].sort()).toEqual(pool);
      expect(idsOf(data, 'val')).toEqual(idsOf(whole, 'val'));
      expect(Math.abs(data.splits.test.length - pool.length / 4)).toBeLessThan(1);
    }
  });

  it('hold every class in the same share', () => {
    const { test } = withFold(whole, { folds: 4, fold: 3, splitSeed: 0 }).splits;
    whole.dataset.classes.forEach((_, label) => {
      const all = [...whole.splits.train, ...whole.splits.test].filter((record) => record.label === label).length;
      expect(Math.abs(test.filter((record) => record.label === label).length - all / 4)).toBeLessThan(2);
    });
  });

  it('are decided by the seed of the splits, and are options of the data', async () => {
    const first = await openExperimentData({ ...config.dataset, folds: 4 });
    expect(idsOf(first, 'test')).toEqual(idsOf(withFold(whole, { folds: 4, fold: 1, splitSeed: 0 }), 'test'));
    const other = withFold(whole, { folds: 4, fold: 1, splitSeed: 1 });
    expect(idsOf(other, 'test')).not.toEqual(idsOf(first, 'test'));
    expect(withFold(whole, { splitSeed: 0 })).toBe(whole);
  });

  it('train on the only post of a class', () => {
    const [head, ...rest] = whole.splits.train;
    if (head === undefined) throw new Error('no posts');
    const lone = { ...head, label: whole.dataset.classes.length };
    const dataset = { ...whole.dataset, classes: [...whole.dataset.classes, 'lone'] } as ExperimentData['dataset'];
    const data = { ...whole, dataset, splits: { ...whole.splits, train: [lone, ...rest] } };
    const tested = [1, 2].flatMap((fold) => idsOf(withFold(data, { folds: 2, fold, splitSeed: 0 }), 'test'));
    expect(tested).not.toContain(lone.id);
    expect(tested).toHaveLength(rest.length + whole.splits.test.length);
  });

  it('are refused where they cannot be', () => {
    const few = { ...whole, splits: { ...whole.splits, train: whole.splits.train.slice(0, 5), test: [] } };
    const six = (): unknown => withFold(few, { folds: 6, fold: 1, splitSeed: 0 });
    expect(six).toThrow(ConfigurationError);
    expect(six).toThrow('dataset.folds expected at most 5, the number of training and test posts, received 6; ask for'); // prettier-ignore
    const parse = (dataset: object) => parseExperiment({ name: 'x', dataset: { name: 'embedded', ...dataset } }, 'x');
    expect(() => parse({ fold: 1 })).toThrow('x expected dataset.folds with dataset.fold, received 1');
    expect(() => parse({ folds: 3, fold: 4 })).toThrow('x expected dataset.fold of at most 3, received 4');
    expect(() => parse({ folds: 1 })).toThrow('expected at least 2, received 1');
  });
});
