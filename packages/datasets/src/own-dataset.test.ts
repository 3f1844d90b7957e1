import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadDefinition } from '@drf/files';
import { solidImage } from '@drf/preprocessing/testing';
import { datasetContract } from './dataset.contract.js';
import { openDataset, type OpenOptions, type PostRecord } from './index.js';

let folder = '';
let name: NonNullable<OpenOptions['name']>;

async function load(file: string, posts: string, more = ''): Promise<OpenOptions['name']> {
  const path = join(folder, file);
  await writeFile(path, `export default { name: 'mine', create: (_, { root }) => ({ ${more} posts: ${posts} }) };`);
  return (await loadDefinition(path, 'data set')).id as OpenOptions['name'];
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'drf-own-dataset-'));
  const image = await solidImage('#804020', 8, 8).png().toBuffer();
  await writeFile(join(folder, 'a.png'), image);
  const bytes = `Uint8Array.from(${JSON.stringify([...image])})`;
  name = await load(
    'mine.mjs',
    `[
      { id: 'a', label: 'good', text: 'what a day', image: 'a.png', split: 'train' },
      { id: 'b', label: 'bad', image: ${bytes}, split: 'test' },
      { id: 'c', label: 'good', text: 'words alone', image: null },
      { id: 'd', label: 'bad', image: { width: 2, height: 1, data: Uint8Array.from([9, 8, 7, 6, 5, 4]) } },
    ]`,
  );
});

afterAll(() => rm(folder, { recursive: true }));

datasetContract('a data set of the user’s own', 8, () => openDataset({ name, root: folder, imageSize: 8 })); // prettier-ignore

describe('a data set of the user’s own', () => {
  it('gives posts, classes, splits and an account of its rows', async () => {
    const dataset = await openDataset({ name, root: folder, imageSize: 8 });
    expect(dataset.name).toMatch(/^mine@[0-9a-f]{12}$/);
    expect(dataset.classes).toEqual(['bad', 'good']);
    expect(dataset.records.map(({ id, label, split }) => [id, label, split])).toEqual([
      ['a', 1, 'train'],
      ['b', 0, 'test'],
      ['c', 1, undefined],
      ['d', 0, undefined],
    ]);
    const exact = await openDataset({ name, root: folder, imageSize: { width: 2, height: 1 } });
    expect((await exact.read(exact.records[3] as PostRecord)).image?.data).toEqual(Uint8Array.from([9, 8, 7, 6, 5, 4]));
    const relabeled = await openDataset({ name, root: folder, labels: { rename: { bad: 'poor' } } });
    expect(relabeled.classes).toEqual(['poor', 'good']);
  });

  it('drops what cannot be used, with the reason', async () => {
    const posts = "[{ id: 'a', label: 'x', text: 'a' }, { id: 'a', label: 'x', text: 'b' }, { id: 'c', label: 'x', text: ' ' }]"; // prettier-ignore
    const { ledger } = await openDataset({ name: await load('drops.mjs', posts) });
    expect(ledger.toJSON()).toMatchObject({ rows: 3, kept: 1 });
    expect(ledger.toJSON().reasons.map(({ reason, ids }) => [reason, ...ids])).toEqual([
      ['missing image and text', 'c'],
      ['duplicate id', 'a'],
    ]);
  });

  it.each([
    ["[{ id: 1, label: 'x', text: 'a' }]", 'post 1 expected a text as "id", received 1'],
    ["[{ id: 'a', text: 'a' }]", 'expected a text as "label", received undefined'],
    ["[{ id: 'a', label: 'x', text: 3 }]", 'expected a text or null as "text", received number'],
    ["[{ id: 'a', label: 'x', image: 3 }]", 'expected a path, bytes, pixels or null as "image", received number'],
    ['[3]', 'expected an object { id, label, text, image }, received 3'],
  ])('refuses %s', async (posts, message) => {
    const own = await load(`refused-${Buffer.from(posts).toString('hex').slice(-40)}.mjs`, posts);
    await expect(openDataset({ name: own })).rejects.toThrow(message);
  });

  it('refuses labels beside its classes, unknown options, and modules that were not loaded', async () => {
    const own = await load('classes.mjs', "[{ id: 'a', label: 'z', text: 'a' }]", "classes: ['x', 'y'],");
    await expect(openDataset({ name: own })).rejects.toThrow('post "a" expected a label of x, y, received z');
    await expect(openDataset({ name, options: { size: '3' } })).rejects.toThrow(
      'Options of mine expected known options, received "size"',
    );
    await expect(openDataset({ name: 'other@000000000000' })).rejects.toThrow('name it, if you trust its code: --own');
  });
});
