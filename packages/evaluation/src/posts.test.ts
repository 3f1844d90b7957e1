import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { saveSplits, type Dataset } from '@drf/datasets';
import { parseExperiment, RunFolder } from '@drf/experiment';
import { writeJsonAtomic } from '@drf/files';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { evaluatedDataset, selectPosts, shownName } from './posts.js';
import { datasetWithMissingFile, openTiny } from './testing/tiny-world.js';

const classes = ['positive', 'neutral', 'negative'];
let folder: string;
let run: RunFolder;
let dataset: Dataset;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'posts-'));
  run = await RunFolder.create(join(folder, 'run'), { overwrite: false });
  dataset = await openTiny();
  const ids = dataset.records.map(({ id }) => id);
  const origin = { dataset: 'embedded', seed: 0, fractions: {} };
  await saveSplits(
    run.file('splits'),
    { train: ids.slice(0, 9), val: [...ids.slice(9, 12), 'gone'], test: [] },
    origin,
  );
});
afterAll(() => rm(folder, { recursive: true, force: true }));

describe('selectPosts', () => {
  it('takes val where the run has no test posts, and notes ids that the data lacks', async () => {
    const posts = await selectPosts({ dataset, run, classes, isOwn: true });
    expect(posts.split).toBe('val');
    expect(posts.records).toHaveLength(3);
    expect(posts.notes).toEqual(["1 of the split's 4 posts are not in the data set (gone)"]);
  });

  it('takes the splits of another data set from its own column', async () => {
    const posts = await selectPosts({ dataset, run, classes, isOwn: false });
    expect([posts.split, posts.records.length]).toEqual(['test', 18]);
    const val = await selectPosts({ dataset, run, classes, isOwn: false, split: 'val' });
    expect(val.records).toHaveLength(12);
  });

  it('takes all posts of another data set without splits', async () => {
    const posts = await selectPosts({ dataset: datasetWithMissingFile(folder), run, classes, isOwn: false });
    expect([posts.split, posts.records.length]).toEqual(['all', 2]);
  });

  it('reads a split file of ids', async () => {
    const path = join(folder, 'mine.json');
    await writeJsonAtomic(
      path,
      dataset.records.slice(0, 2).map(({ id }) => id),
    );
    const posts = await selectPosts({ dataset, run, classes, isOwn: true, splitFile: path });
    expect([posts.split, posts.records.length]).toEqual(['mine', 2]);
  });

  it('translates labels by name', async () => {
    const other = datasetWithMissingFile(folder, ['negative', 'positive']);
    const posts = await selectPosts({ dataset: other, run, classes, isOwn: false });
    expect(posts.records.map(({ label }) => label)).toEqual([2, 2]);
  });

  it('does not mind the case of labels where one class is meant', async () => {
    const other = datasetWithMissingFile(folder, ['NEGATIVE', 'Positive']);
    const posts = await selectPosts({ dataset: other, run, classes, isOwn: false });
    expect(posts.records.map(({ label }) => label)).toEqual([2, 2]);
    expect(posts.notes).toEqual([
      'label "NEGATIVE" is taken as the run\'s "negative"',
      'label "Positive" is taken as the run\'s "positive"',
    ]);
    const both = [...classes, 'Negative'];
    await expect(selectPosts({ dataset: other, run, classes: both, isOwn: false })).rejects.toThrow(
      /cannot answer NEGATIVE/,
    );
  });

  it('finds the test split of other posts by its common spellings', async () => {
    const split = ['training', 'Testing'];
    const records = dataset.records.slice(0, 6).map((record, i) => ({ ...record, split: split[i % 2] as string }));
    const posts = await selectPosts({
      dataset: { ...dataset, ledger: dataset.ledger, records },
      run,
      classes,
      isOwn: false,
    });
    expect([posts.split, posts.records.length]).toEqual(['test', 3]);
    const odd = records.map((record) => ({ ...record, split: 'A' }));
    const all = await selectPosts({
      dataset: { ...dataset, ledger: dataset.ledger, records: odd },
      run,
      classes,
      isOwn: false,
    });
    expect([all.split, all.records.length]).toEqual(['all', 6]);
  });

  it('refuses a class that the run does not know', async () => {
    const other = datasetWithMissingFile(folder, ['positive', 'angry']);
    await expect(selectPosts({ dataset: other, run, classes, isOwn: false })).rejects.toThrow(
      /expected classes positive, neutral, negative, received positive, angry; the run cannot answer angry/,
    );
  });

  it('refuses a split without posts', async () => {
    await expect(selectPosts({ dataset, run, classes, isOwn: true, split: 'test' })).rejects.toThrow(
      /expected posts in split "test", received none; choose another of train, val, test, all with --split/,
    );
  });
});

const trained = parseExperiment(
  {
    name: 'x',
    dataset: {
      name: 'posts',
      file: 'old.csv',
      columns: { text: 'body', label: 'mood', split: 'part' },
      labels: { ignoreCase: true },
    },
  },
  'test',
).dataset;

describe('evaluatedDataset', () => {
  it('is the run’s own, where it is now', () => {
    const { dataset, isOwn } = evaluatedDataset(trained, { file: 'there/old.csv' });
    expect([isOwn, dataset.file, dataset.columns]).toEqual([true, 'there/old.csv', trained.columns]);
    expect(shownName(dataset, isOwn)).toBe('posts');
  });

  it('reads new posts as the run’s own were read, under their own name', () => {
    const { dataset, isOwn } = evaluatedDataset(trained, {
      name: 'posts',
      file: ['a/new.csv'],
      columns: { text: 't' },
    });
    expect(isOwn).toBe(false);
    expect(dataset.columns).toEqual({ text: 't', image: undefined, label: 'mood' });
    expect(dataset.labels).toEqual({ ignoreCase: true });
    expect(shownName(dataset, isOwn)).toBe('new.csv');
  });

  it('keeps the encoding of the run’s own posts alone, where none is named', () => {
    const encoded = { ...trained, encoding: 'windows-1251' } as const;
    const other = { name: 'posts', file: 'new.csv' } as const;
    expect(evaluatedDataset(encoded).dataset.encoding).toBe('windows-1251');
    expect(evaluatedDataset(encoded, { encoding: 'auto' }).dataset.encoding).toBe('auto');
    expect(evaluatedDataset(encoded, other).dataset.encoding).toBeUndefined();
    expect(evaluatedDataset(encoded, { ...other, encoding: 'gb18030' }).dataset.encoding).toBe('gb18030');
  });

  it('needs a file', () => {
    expect(() => evaluatedDataset(trained, { name: 'posts' })).toThrow(
      '--dataset posts expected its file, received none; name it: --data FILE',
    );
  });
});
