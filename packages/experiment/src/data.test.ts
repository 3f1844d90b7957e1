import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openExperimentData, parseExperiment, splitNameOf, type DatasetConfig, type ExperimentData } from './index.js';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'drf-data-'));
  const rows = Array.from({ length: 40 }, (_, i) => `${i},post ${i},${i % 4 === 0 ? 'x' : 'y'}`);
  await writeFile(join(folder, 'posts.csv'), ['id,text,label', ...rows].join('\n'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

function open(dataset: object): Promise<ExperimentData> {
  const posts = { name: 'posts', file: join(folder, 'posts.csv'), imageSize: 16 };
  const config: DatasetConfig = parseExperiment({ name: 'x', dataset: { ...posts, ...dataset } }, 'x').dataset;
  return openExperimentData(config);
}

const sizesOf = ({ splits }: ExperimentData): number[] => Object.values(splits).map(({ length }) => length);

describe('sizes of splits', () => {
  it('are exact where they add up, class by class', async () => {
    const data = await open({ splitSizes: [27, 6, 7] });
    expect(sizesOf(data)).toEqual([27, 6, 7]);
    expect(data.warnings).toEqual([]);
    const share = data.splits.train.filter(({ label }) => label === 0).length / 27;
    expect(Math.abs(share - 0.25)).toBeLessThan(0.03);
  });

  it('give way to shares where they do not, which is said', async () => {
    const data = await open({ splitSizes: [3608, 451, 452] });
    expect(sizesOf(data)).toEqual([32, 4, 4]);
    expect(data.warnings).toEqual([
      'splits of 3608, 451, 452 posts need 4511 posts, and there are 40: split 0.8 : 0.1 : 0.1 instead',
    ]);
  });
});

describe('split files', () => {
  it('may be others’ forms; an empty one is warned of', async () => {
    const ids = Array.from({ length: 30 }, (_, i) => i);
    await writeFile(join(folder, 'train.jsonl'), ids.map((id) => `{"id":${id},"label":"${id % 4 === 0 ? 'X' : 'y'}"}`).join('\n')); // prettier-ignore
    await writeFile(join(folder, 'fold1.txt'), '30\n31\n32\n99\n');
    await writeFile(join(folder, 'empty.txt'), '\n');
    const data = await open({
      trainSplit: join(folder, 'train.jsonl'),
      valSplit: join(folder, 'fold1.txt'),
      testSplit: join(folder, 'empty.txt'),
    });
    expect(sizesOf(data)).toEqual([30, 3, 0]);
    expect(data.notes).toEqual(['split val: 1 posts are not in the data set (99)']);
    expect(data.warnings).toEqual([`split test: ${join(folder, 'empty.txt')} lists no posts`]);
  });
});

describe('splitNameOf', () => {
  it.each([
    [
      'train',
      ['train', 'Training', 'TRAIN', 'tweets_train', 'my-train', 'train-00000-of-00001', 'train_1', 'train set'],
    ],
    ['val', ['val', 'valid', 'Validation', 'dev', 'dev_few1', 'development']],
    ['test', ['test', 'testing', 'Test ', 'holdout', 'hold-out', 'held out', 'posts.test']],
    [undefined, ['', 'A', 'trainee', 'contest', 'unlabeled', 'train+val', '1', 'latest']],
  ])('%s', (split, names) => {
    expect(names.map(splitNameOf)).toEqual(names.map(() => split));
  });
});
