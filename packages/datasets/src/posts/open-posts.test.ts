import { join } from 'node:path';
import { parquetWriteFile } from 'hyparquet-writer';
import { ConfigurationError, DataError } from '@drf/tensor';
import { describe, expect, it } from 'vitest';
import type { Dataset } from '../dataset.js';
import { openDataset, type OpenOptions } from '../index.js';
import { folderWith, smallJpeg } from '../testing/folders.js';

const reasons = ({ ledger }: Dataset) =>
  Object.fromEntries(ledger.toJSON().reasons.map(({ reason, ids }) => [reason, ids]));

async function openFile(
  name: string,
  content: string | Uint8Array,
  options: Partial<OpenOptions> = {},
): Promise<Dataset> {
  const images = { 'a.jpg': await smallJpeg(1), 'sub/b.jpg': await smallJpeg(2), 'empty.jpg': new Uint8Array() };
  const folder = await folderWith({ [name]: content, ...images });
  return openDataset({ name: 'posts', file: join(folder, name), imageSize: 4, ...options });
}

const rows = [
  { id: 1, text: ' both ', image: 'a.jpg', label: 'up', split: 'train' },
  { id: 'two', text: 'only text', label: 'down' },
  { id: '3', image: 'sub/b.jpg', label: 'up', split: 'test' },
];

describe.each([
  ['JSON Lines', 'posts.jsonl', rows.map((row) => JSON.stringify(row)).join('\n')],
  [
    'CSV',
    'posts.csv',
    'label,id,split,image,text\nup,1,train,a.jpg, both \ndown,two,,,only text\nup,3,test,sub/b.jpg,\n',
  ],
])('posts in %s', (_, name, content) => {
  it('may lack text or image; classes are the sorted labels', async () => {
    const dataset = await openFile(name, content);
    expect(dataset.classes).toEqual(['down', 'up']);
    expect(dataset.records.map(({ id, label, split }) => [id, label, split])).toEqual([
      ['1', 1, 'train'],
      ['two', 0, undefined],
      ['3', 1, 'test'],
    ]);
    const [both, textOnly, imageOnly] = await Promise.all(dataset.records.map((record) => dataset.read(record)));
    expect(both).toMatchObject({ text: 'both', image: { width: 4, height: 4 } });
    expect(textOnly).toMatchObject({ text: 'only text', image: null });
    expect(imageOnly!.text).toBeNull();
    expect(imageOnly!.image!.data).toHaveLength(48);
    expect(dataset.ledger.toJSON()).toMatchObject({ rows: 3, kept: 3, dropped: 0 });
  });
});

describe('posts in Parquet', () => {
  it('are read with null cells as missing', async () => {
    const folder = await folderWith({ 'a.jpg': await smallJpeg(1) });
    const file = join(folder, 'posts.parquet');
    const columnData = [
      { name: 'id', data: [10, 11, 12], type: 'INT32' as const },
      { name: 'text', data: ['hi', null, null], type: 'STRING' as const },
      { name: 'image', data: ['a.jpg', 'a.jpg', null], type: 'STRING' as const },
      { name: 'label', data: ['x', 'y', 'x'], type: 'STRING' as const },
    ];
    parquetWriteFile({ filename: file, columnData });
    const dataset = await openDataset({ name: 'posts', file });
    expect(dataset.records.map(({ id, text }) => [id, text === null])).toEqual([['10', false], ['11', true]]); // prettier-ignore
    expect(dataset.ledger.dropped[0]).toEqual({
      id: '12',
      line: 3,
      reason: 'missing image and text',
      detail:
        'posts.parquet, row 3 expected text or an image, or both, received neither; fill in one of them or remove the row',
    });
  });
});

describe('rows that cannot be used', () => {
  it('are listed with line and reason; the rest is kept', async () => {
    const content = [
      '{"id":1,"text":"fine","label":"x"}',
      '{"id":2,"text":"",  "label":"x"}',
      '{"id":3,"image":"../outside.jpg","label":"x"}',
      '{"id":4,"image":"/etc/hostname","label":"x"}',
      '{"id":5,"image":"absent.jpg","text":"t","label":"x"}',
      '{"id":6,"image":"empty.jpg","label":"x"}',
      '{"id":7,"text":"no label"}',
      '{"id":8,"text":["a"],"label":"x"}',
      '{"text":"no id","label":"x"}',
      '{"id":1,"text":"again","label":"x"}',
      '{"id":9,"text":"cut off',
      '{"id":10,"text":"   ","image":"a.jpg","label":"x","splt":"train"}',
      '{"id":11,"text":"late","label":"x"}',
    ].join('\n');
    const dataset = await openFile('posts.jsonl', content);
    expect(dataset.records.map((record) => record.id)).toEqual(['1', 'row-9', '10', '11']);
    expect(reasons(dataset)).toEqual({
      'empty text': ['2'],
      'path outside the root': ['3', '4'],
      'missing image': ['5'],
      'empty image file': ['6'],
      'missing label': ['7'],
      'bad row': ['8', 'posts.jsonl line 11'],
      'duplicate id': ['1'],
    });
    expect(dataset.ledger.toJSON().notes).toEqual([
      { message: 'posts.jsonl: column "splt" is not used', ids: [] },
      { message: 'posts.jsonl: no id that can be used; named by the row', ids: ['row-9'] },
      { message: 'empty text, taken as missing', ids: ['10'] },
    ]);
    const detail = (id: string) => dataset.ledger.dropped.find((row) => row.id === id)?.detail;
    expect(detail('2')).toBe(
      'posts.jsonl, line 2 expected text or an image, or both, received neither; fill in one of them or remove the row',
    );
    expect(detail('3')).toMatch(
      /^posts.jsonl, line 3, column image expected a path inside .*, received one that leads outside; name a file below that folder/,
    );
    expect(detail('5')).toMatch(
      /^posts.jsonl, line 5, column image expected an image file absent.jpg inside .*, received nothing there/,
    );
    expect(detail('7')).toBe(
      'posts.jsonl, line 7, column label expected a class name, received nothing; columns are "id", "text"; correct the row, or say which column is which (--columns label=NAME,text=NAME,image=NAME)',
    );
    expect(detail('8')).toBe('posts.jsonl, line 8, column text expected text, received ["a"]; correct the row');
  });

  it('include labels outside the given classes and texts over the limit', async () => {
    const content = 'id,text,label\n1,a,x\n2,b,z\n3,much too long,y\n';
    const dataset = await openFile('posts.csv', content, { classes: ['y', 'x'], maximumTextBytes: 5 });
    expect(dataset.records.map(({ id, label }) => [id, label])).toEqual([['1', 1]]);
    expect(dataset.ledger.dropped.map((row) => row.detail)).toEqual([
      'posts.csv, line 3, column label expected one of y, x, received "z"; correct the label or name other classes',
      'posts.csv, line 4 expected a text of at most 5 bytes, received 13 bytes; shorten it',
    ]);
  });
});

describe('files of posts', () => {
  it('may be several, each giving its name to the split of its rows', async () => {
    const folder = await folderWith({
      'train.csv': 'id,text,label\n1,a,x\n2,b,y\n',
      'test.csv': 'id,text,label\n3,c,x\n4,d,x\n3,e,x\n',
    });
    const file = ['train.csv', 'test.csv'].map((name) => join(folder, name));
    const dataset = await openDataset({ name: 'posts', file });
    expect(dataset.records.map(({ id, split }) => [id, split])).toEqual([['1', 'train'], ['2', 'train'], ['3', 'test'], ['4', 'test']]); // prettier-ignore
    expect(dataset.ledger.dropped[0]?.detail).toBe(
      'test.csv, line 4 expected each id once, received "3" again, as in test.csv, line 2; remove one of the rows',
    );
  });

  it('have their names put before ids that start again in each of them', async () => {
    const folder = await folderWith({
      'a/train.csv': 'id,text,label\n0,a,x\n1,b,y\n1,again,y\n2,,x\n',
      'test.csv': 'id,text,label,image\n0,c,x,\n1,d,y,nan\n',
      'b/train.csv': 'text,label\ne,x\n',
    });
    const file = ['a/train.csv', 'test.csv', 'b/train.csv'].map((name) => join(folder, name));
    const dataset = await openDataset({ name: 'posts', file });
    const ids = ['train-0', 'train-1', 'test-0', 'test-1', 'train-2-1'];
    expect(dataset.records.map(({ id }) => id)).toEqual(ids);
    expect(dataset.ledger.dropped.map(({ id, reason }) => [id, reason])).toEqual([['train-1', 'duplicate id'], ['train-2', 'missing image and text']]); // prettier-ignore
    expect(dataset.ledger.toJSON().notes).toEqual([
      { message: 'test.csv: 2 of its ids occur in an earlier file, too; all ids have their file\'s name in front (test-0)', ids: [] },
      { message: '"nan" in the column of images, taken as no image', ids: ['test-1'] },
      { message: 'train.csv: no column of ids; rows are numbered', ids: [] },
    ]); // prettier-ignore
    expect(dataset.ledger.rows).toBe(7);
  });

  it('may be a published split with CLMLF codes, images in data/', async () => {
    const content = JSON.stringify([
      { id: '1', text: 'a', emotion_label: 0 },
      { id: '2', text: 'b', emotion_label: 2 },
      { id: '3', text: 'c', emotion_label: 7 },
      { id: '4', text: 'd', emotion_label: 1 },
    ]);
    const folder = await folderWith({
      'val.json': content,
      'data/1.jpg': await smallJpeg(1),
      'data/2.jpg': await smallJpeg(2),
    });
    const dataset = await openDataset({ name: 'posts', file: join(folder, 'val.json') });
    expect(dataset.classes).toEqual(['positive', 'neutral', 'negative']);
    expect(dataset.records.map(({ id, label }) => [id, label])).toEqual([['1', 0], ['2', 2], ['4', 1]]); // prettier-ignore
    expect(dataset.records.map(({ image }) => image?.description)).toEqual([join('data', '1.jpg'), join('data', '2.jpg'), undefined]); // prettier-ignore
    expect(dataset.ledger.dropped.map(({ id, reason }) => [id, reason])).toEqual([['3', 'bad row']]);
    expect(dataset.ledger.toJSON().notes).toEqual([
      { message: 'no image named, and none at data/{id}.jpg; taken as text alone', ids: ['4'] },
      { message: 'emotion_label: 0 is positive, 1 is neutral, 2 is negative', ids: [] },
    ]);
  });

  it('take image paths relative to another root when told', async () => {
    const images = await folderWith({ 'pictures/a.jpg': await smallJpeg(1) });
    const dataset = await openFile('posts.csv', 'id,image,label\n1,pictures/a.jpg,x\n', { root: images });
    expect((await dataset.read(dataset.records[0]!)).image?.width).toBe(4);
    await expect(openFile('posts.csv', 'id,image,label\n1,a.jpg,x\n', { root: '/no/such' })).rejects.toThrow(
      /expected a folder of images \/no\/such, received no such folder; check the root folder/,
    );
  });

  it('are refused by name when missing, of another kind, or without a usable row', async () => {
    await expect(openDataset({ name: 'posts', file: '/no/such.csv' })).rejects.toThrow(
      'Opening /no/such.csv expected a file of posts, received nothing there; check the path',
    );
    await expect(openDataset({ name: 'posts' })).rejects.toThrow(/expected a file of posts .*received none; pass file/);
    await expect(openFile('posts.xlsx', '')).rejects.toThrow(ConfigurationError);
    await expect(openFile('posts.xlsx', '')).rejects.toThrow(
      /a file that ends in .jsonl.*received .xlsx; convert or rename/,
    );
    const useless = openFile('posts.csv', 'id,text,label\n1,a,\n');
    await expect(useless).rejects.toThrow(DataError);
    await expect(openFile('posts.csv', 'id,text,label\n1,a,\n')).rejects.toThrow(
      /expected at least one usable row, received none of 1 \(1 has no label; the first: posts.csv, line 2, column label expected a class name/,
    );
  });
});

describe('openDataset', () => {
  it('refuses unknown names and sizes out of range', async () => {
    await expect(openDataset({ name: 'mvsa' as 'posts' })).rejects.toThrow(
      'openDataset expected one of mvsa-single, mvsa-multiple, tumemo, embedded, posts, received "mvsa"',
    );
    await expect(openDataset({ name: 'embedded', imageSize: 0 })).rejects.toThrow(
      /option imageSize expected a whole number from 1/,
    );
  });
});
