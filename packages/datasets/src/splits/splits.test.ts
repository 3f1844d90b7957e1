import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ConfigurationError, DataError } from '@drf/tensor';
import { describe, expect, it } from 'vitest';
import { Ledger, openDataset, type Dataset, type PostRecord } from '../index.js';
import { folderWith } from '../testing/folders.js';
import { findDuplicates } from './duplicates.js';
import { makeSplits, PAPER_FRACTIONS } from './make-splits.js';
import { recordsOfSplit, selectSplit } from './select-split.js';
import { loadSplit, loadSplits, saveSplits } from './split-file.js';

/** Records of the given numbers of posts a class, mixed. */
function labelled(...counts: readonly number[]): { readonly classes: string[]; readonly records: PostRecord[] } {
  const labels = counts.flatMap((count, label) => Array<number>(count).fill(label));
  const records = labels.map((label, index) => ({
    id: `p${(index * 7919) % labels.length}`,
    label,
    image: null,
    text: null,
  }));
  return { classes: counts.map((_, label) => `class ${label}`), records };
}

describe('makeSplits', () => {
  const mvsa = labelled(2683, 470, 1358);
  const splits = makeSplits(mvsa, { fractions: PAPER_FRACTIONS, seed: 1 });

  it("gives the paper's sizes: 3608, 451, 452 of 4,511", () => {
    expect(Object.entries(splits).map(([name, ids]) => [name, ids.length])).toEqual([
      ['train', 3608],
      ['val', 451],
      ['test', 452],
    ]);
  });

  it.each([
    ['MVSA-Multiple', 17_024, [13_619, 1702, 1703]],
    ['TumEmo', 195_265, [156_212, 19_526, 19_527]],
  ])('shares out all of %s', (_, total, sizes) => {
    const result = makeSplits(labelled(total - 100, 100), { fractions: PAPER_FRACTIONS, seed: 2 });
    expect(Object.values(result).map((ids) => ids.length)).toEqual(sizes);
  });

  it('takes ratios and exact sizes too', () => {
    const sizes = (fractions: Record<string, number>) =>
      Object.values(makeSplits(labelled(10_000, 7024), { fractions, seed: 1 })).map((ids) => ids.length);
    expect(sizes({ train: 13_618, val: 1703, test: 1703 })).toEqual([13_618, 1703, 1703]); // the paper's MVSA-Multiple
    expect(sizes({ train: 3, test: 1 })).toEqual([12_768, 4256]);
  });

  it('puts every post into exactly one split', () => {
    const all = Object.values(splits).flat();
    expect(new Set(all).size).toBe(4511);
    expect([...all].sort()).toEqual(mvsa.records.map((record) => record.id).sort());
  });

  it('holds every class in the same share in every split, to a post or two', () => {
    const label = new Map(mvsa.records.map((record) => [record.id, record.label]));
    for (const ids of Object.values(splits)) {
      for (const [index, count] of [2683, 470, 1358].entries()) {
        const expected = (count * ids.length) / 4511;
        expect(Math.abs(ids.filter((id) => label.get(id) === index).length - expected)).toBeLessThan(2);
      }
    }
  });

  it('is decided by the seed', () => {
    expect(makeSplits(mvsa, { fractions: PAPER_FRACTIONS, seed: 1 })).toEqual(splits);
    const other = makeSplits(mvsa, { fractions: PAPER_FRACTIONS, seed: 2 });
    expect(other.test).not.toEqual(splits.test);
    const shared = other.test!.filter((id) => splits.test!.includes(id)).length;
    expect(shared).toBeLessThan(100); // 45 expected by chance
  });

  it('refuses fractions that do not sum to 1, and splits that would stay empty', () => {
    expect(() => makeSplits(mvsa, { fractions: { train: 0.8, val: 0.1 }, seed: 1 })).toThrow(ConfigurationError);
    expect(() => makeSplits(mvsa, { fractions: { train: 0.8, val: 0.1 }, seed: 1 })).toThrow(
      'makeSplits expected positive fractions that sum to 1, or positive whole numbers, received {"train":0.8,"val":0.1}; pass such as train 0.8, val 0.1, test 0.1',
    );
    expect(() => makeSplits(labelled(3, 2), { fractions: PAPER_FRACTIONS, seed: 1 })).toThrow(
      'Split val expected at least one post, received none of 5; raise its fraction or bring more posts',
    );
  });
});

describe('split files', () => {
  it('come back as they were saved', async () => {
    const folder = await folderWith({});
    const splits = { train: ['3', '1'], val: ['2'] };
    await saveSplits(folder, splits, { dataset: 'posts', seed: 5, fractions: { train: 0.7, val: 0.3 } });
    expect(await loadSplits(folder)).toEqual(splits);
    expect(await loadSplit(join(folder, 'train.json'))).toMatchObject({
      name: 'train',
      form: 'own',
      ids: ['3', '1'],
      posts: [],
    });
    const saved = JSON.parse(await readFile(join(folder, 'val.json'), 'utf8')) as unknown;
    expect(saved).toMatchObject({ format: 'drf-split/1', dataset: 'posts', seed: 5, count: 1 });
  });

  it('may be plain ids, published posts, or CLMLF codes', async () => {
    const folder = await folderWith({
      'ids.json': '["a", 7]',
      'val.json': '[{"id": 5, "text": "x", "label": "neutral"}]',
      'clmlf.json': '[{"id": "6", "text": "y", "emotion_label": 0}, {"id": "8", "text": "z", "emotion_label": 2}]',
    });
    expect(await loadSplit(join(folder, 'ids.json'))).toMatchObject({ name: 'ids', form: 'ids', ids: ['a', '7'] });
    expect(await loadSplit(join(folder, 'val.json'))).toMatchObject({ form: 'published', ids: ['5'], posts: [{ id: '5', text: 'x', label: 'neutral' }] }); // prettier-ignore
    expect((await loadSplit(join(folder, 'clmlf.json'))).posts.map((post) => post.label)).toEqual([
      'positive',
      'negative',
    ]);
  });

  it('may be others’: JSON Lines, tables, and ids line by line', async () => {
    const folder = await folderWith({
      'qmf.jsonl':
        '{"id": "5", "label": "neutral", "text": "x", "img": "data/5.jpg"}\n{"id": 7, "label": "positive"}\n',
      'few.tsv':
        'index\t#1 Label\t#2 ImageID\t#3 String\t#3 String\n68\tAngry\t68.jpg\t"He said: no\t\n70\tSad\t70.jpg\t\t\n',
      'short.tsv': 'index\t#1 Label\t#2 ImageID\t#3 String\n5\tnegative\t5.jpg\t""Nailed it.""\t\n',
      'ids.txt': '\ufeff44\r\n0451\r\n\r\nx-7',
      'ids.csv': 'tweet_id,fold\n5,1\n7,2\n',
    });
    const load = (name: string) => loadSplit(join(folder, name));
    expect(await load('qmf.jsonl')).toMatchObject({ name: 'qmf', form: 'published', ids: ['5', '7'] });
    expect((await load('qmf.jsonl')).posts.map(({ label }) => label)).toEqual(['neutral', 'positive']);
    expect((await load('few.tsv')).posts).toEqual([
      { id: '68', label: 'Angry', text: '"He said: no' },
      { id: '70', label: 'Sad', text: null },
    ]);
    expect((await load('short.tsv')).posts).toEqual([{ id: '5', label: 'negative', text: '""Nailed it.""' }]);
    expect(await load('ids.txt')).toMatchObject({ form: 'ids', ids: ['44', '0451', 'x-7'], posts: [] });
    expect(await load('ids.csv')).toMatchObject({ form: 'ids', ids: ['5', '7'] });
  });

  it('of others are refused with the place that is wrong', async () => {
    const folder = await folderWith({
      'two.txt': '44\n45 46\n',
      'none.tsv': 'text\tlabel\na\tx\n',
      'half.tsv': 'index\t#1 Label\n5\tx\n6\t\n',
      'broken.jsonl': '{"id": 5, "label": "x"}\n{"id": 6\n',
    });
    const load = (name: string) => loadSplit(join(folder, name));
    await expect(load('two.txt')).rejects.toThrow(/two.txt expected one id a line, received line 2: "45 46"; correct/);
    await expect(load('none.tsv')).rejects.toThrow(/a header with a column of ids \(id or index\), received columns "text", "label"/); // prettier-ignore
    await expect(load('half.tsv')).rejects.toThrow(
      /half.tsv, row 2, column label expected a class name, received nothing/,
    );
    await expect(load('broken.jsonl')).rejects.toThrow(/broken.jsonl, line 2 expected a JSON object/);
  });

  it('are refused by name when they are something else', async () => {
    const folder = await folderWith({
      'object.json': '{"a":1}',
      'broken.json': '[1,',
      'twice.json': '["a","a"]',
      'mixed.json': '[{"id":1,"text":"a","label":"x"},{"id":2,"text":"b"}]',
      'odd.json': '[1.5]',
    });
    const load = (name: string) => loadSplit(join(folder, name));
    await expect(load('object.json')).rejects.toThrow(
      /expected a split of format drf-split\/1, an array of ids, or an array of \{id, text, label\}, received other JSON; correct or remake/,
    );
    await expect(load('broken.json')).rejects.toThrow(/broken.json expected valid JSON/);
    await expect(load('twice.json')).rejects.toThrow(/expected each id once, received "a" twice/);
    await expect(load('mixed.json')).rejects.toThrow(
      'mixed.json, row 2, column label expected a class name, received nothing (it is empty); fill it in',
    );
    await expect(load('odd.json')).rejects.toThrow(/expected ids that are text or whole numbers, received 1.5/);
    await expect(load('absent.json')).rejects.toThrow(DataError);
    await expect(loadSplits(await folderWith({ 'ledger.json': '{}', 'duplicates.json': '[]' }))).rejects.toThrow(
      /expected a folder of split files, such as train.json, received none/,
    );
  });

  it.each([
    [
      '{"format": "drf-split/1", "name": "test", "ids": ["a", "a"]}',
      /test.json expected each id once, received "a" twice/,
    ],
    ['null', /test.json expected a split of format drf-split\/1/],
    ['{"format": "drf-split/1", "name": "test"}', /test.json expected a split of format drf-split\/1/],
    [
      '{"format": "drf-split/1", "name": "test", "count": 2, "ids": ["a"]}',
      /test.json expected 2 ids, as it says, received 1/,
    ],
    [
      '{"format": "drf-split/1", "name": "test", "ids": [null]}',
      /expected ids that are text or whole numbers, received null/,
    ],
  ])('let no damaged file pass for a split that there is none of: %s', async (text, message) => {
    const folder = await folderWith({ 'test.json': text, 'ledger.json': '{}' });
    await saveSplits(folder, { val: ['1'] }, { dataset: 'posts', seed: 5, fractions: {} });
    await expect(loadSplits(folder)).rejects.toThrow(message);
  });
});

describe('selectSplit', () => {
  it('compares labels and says which ids the data set lacks, and why', async () => {
    const folder = await folderWith({
      'posts.csv': 'id,text,label,split\n1,a,x,train\n2,b,y,train\n3,,x,\n4,d,y,test\n',
      'val.json':
        '[{"id":2,"text":"b","label":"x"},{"id":1,"text":"a","label":"x"},{"id":3,"label":"x"},{"id":9,"label":"x"}]',
    });
    const dataset = await openDataset({ name: 'posts', file: join(folder, 'posts.csv') });
    const selected = selectSplit(dataset, await loadSplit(join(folder, 'val.json')));
    expect(selected.records.map((record) => record.id)).toEqual(['2', '1']);
    expect(selected.absent).toEqual([
      { id: '3', reason: 'missing image and text' },
      { id: '9', reason: 'unknown id' },
    ]);
    expect(selected.disagreements).toEqual([{ id: '2', dataset: 'y', split: 'x' }]);
    expect(selected.comparedLabels).toBe(2);
    expect(recordsOfSplit(dataset, 'train').map((record) => record.id)).toEqual(['1', '2']);
    expect(() => recordsOfSplit(dataset, 'validation')).toThrow(
      'Data set posts expected posts of split "validation", received splits test, train; name one of these, or make split files',
    );
    await writeFile(join(folder, 'other.json'), '["q"]');
    const other = await loadSplit(join(folder, 'other.json'));
    expect(() => selectSplit(dataset, other)).toThrow(
      /expected ids of data set posts, received 1 others, such as q; check/,
    );
  });

  it('names codes as the data set does, and does not mind case', async () => {
    const folder = await folderWith({
      'posts.csv': 'id,text,label\n1,a,happy\n2,b,angry\n3,c,calm\n',
      'codes.json': '[{"id":1,"emotion_label":4},{"id":2,"emotion_label":0},{"id":3,"emotion_label":1}]',
      'low.json': '[{"id":3,"emotion_label":2}]',
      'names.tsv': 'index\t#1 Label\n1\tHappy\n2\tANGRY\n',
    });
    const dataset = await openDataset({ name: 'posts', file: join(folder, 'posts.csv') });
    const select = async (name: string) => selectSplit(dataset, await loadSplit(join(folder, name)));
    expect((await select('codes.json')).disagreements).toEqual([{ id: '3', dataset: 'calm', split: 'bored' }]);
    expect((await select('low.json')).disagreements).toEqual([]);
    expect(await select('names.tsv')).toMatchObject({ comparedLabels: 2, disagreements: [] });
  });

  it('works without a file system', () => {
    const dataset = { name: 'none', ...labelled(2), ledger: new Ledger('none') } as unknown as Dataset;
    expect(() => selectSplit(dataset, { path: 'p', name: 'n', form: 'ids', ids: [], posts: [] })).toThrow(
      /received no ids/,
    );
  });
});

describe('findDuplicates', () => {
  const post = (id: string, split: string, text: string | null, image: string | null, label = 'x') => ({
    id,
    split,
    label,
    text,
    image,
  });
  const report = findDuplicates([
    post('1', 'train', 'A', 'i'),
    post('2', 'train', 'A', 'j'),
    post('3', 'train', 'B', 'k'),
    post('4', 'test', 'A', 'i', 'y'),
    post('5', 'test', 'C', null),
    post('6', 'test', null, null),
  ]);

  it('groups equal texts, images and whole posts', () => {
    expect(report.texts.groups.map((group) => group.members.map((member) => member.id))).toEqual([['1', '2', '4']]);
    expect(report.texts.surplus).toBe(2);
    expect(report.texts.groups[0]?.labelsDiffer).toBe(true);
    expect(report.images.groups.map((group) => group.members.map((member) => member.id))).toEqual([['1', '4']]);
    expect(report.posts.groups).toHaveLength(1);
  });

  it('counts how many posts of a split stand in another too', () => {
    expect(report.texts.overlaps).toEqual([
      { split: 'train', other: 'test', posts: 2, of: 3 },
      { split: 'test', other: 'train', posts: 1, of: 3 },
    ]);
    expect(report.sharedIds).toEqual([]);
    expect(findDuplicates([post('1', 'a', 'A', 'i'), post('1', 'b', 'A', 'i')]).sharedIds).toEqual(['1']);
  });
});
