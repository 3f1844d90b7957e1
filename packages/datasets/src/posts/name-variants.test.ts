import { symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { openDataset } from '../index.js';
import { folderWith, smallJpeg } from '../testing/folders.js';
import { NameVariants } from './name-variants.js';

describe('images whose names stand in another form', () => {
  it('are found under another Unicode form and another case of their ending, and that is noted', async () => {
    const jpeg = await smallJpeg();
    const nfd = 'cafe\u0301';
    const nfc = 'caf\u00e9';
    const rows = [`${nfc}.jpg`, `${nfc}/${nfc}.JPG`, `${nfd}2.jpg`, '1.jpg', '1.JPEG', 'IMG.jpg', `sub\\${nfc}.jpg`, '2.jpg'];
    const folder = await folderWith({
      [`${nfd}.jpg`]: jpeg,
      [`${nfd}/${nfd}.jpg`]: jpeg,
      [`${nfc}2.JPG`]: jpeg,
      '1.JPG': jpeg,
      'img.jpg': jpeg,
      [`sub/${nfd}.JPG`]: jpeg,
      '2.JPG': jpeg,
      '2.Jpg': jpeg,
      'posts.csv': ['id,image,label', ...rows.map((path, i) => `${i},${path},${'ab'[i % 2]}`)].join('\n'),
    });
    const dataset = await openDataset({ name: 'posts', file: join(folder, 'posts.csv'), imageSize: 4 });
    expect(dataset.records.map(({ id, image }) => [id, image?.description])).toEqual([
      ['0', `${nfd}.jpg`],
      ['1', `${nfd}/${nfd}.jpg`],
      ['2', `${nfc}2.JPG`],
      ['3', '1.JPG'],
      ['6', `sub/${nfd}.JPG`],
    ]);
    const message = 'image found under another Unicode form of its name or another case of its ending';
    const note = dataset.ledger.toJSON().notes.find((candidate) => candidate.message === message);
    expect([...(note?.ids ?? [])].sort()).toEqual(['0', '1', '2', '3', '6']);
    const details = dataset.ledger.dropped.map(({ detail }) => detail);
    expect(details).toEqual([
      expect.stringContaining('received nothing there; restore'),
      expect.stringContaining('received nothing there, but "img.jpg"; restore the file, correct the path'),
      expect.stringMatching(/received nothing there, but "2.J(PG|pg)" and "2.J(PG|pg)"; restore/),
    ]);
  }); // prettier-ignore

  it('are not looked for outside the root', async () => {
    const outside = await folderWith({ 'secret.JPG': 'x' });
    const root = await folderWith({ 'a.jpg': 'x' });
    await symlink(outside, join(root, 'link'));
    const variants = new NameVariants(root);
    const none = { same: [], similar: [] };
    for (const path of ['../secret.jpg', 'link/secret.jpg', join(outside, 'secret.jpg'), '', '.', 'a.jpg/b.jpg']) {
      expect(await variants.find(path)).toEqual(none);
    }
    expect(await variants.find(join(root, 'A.JPG'))).toEqual({ same: [], similar: ['a.jpg'] });
  });

  it('are found in the published layouts by another case of their ending', async () => {
    const root = await folderWith({
      'labelResultAll.txt': '1\tpositive,positive\n2\tneutral,neutral',
      'data/1.JPG': await smallJpeg(),
      'data/1.TXT': 'one',
      'data/2.jpg': await smallJpeg(),
      'data/2.txt': 'two',
    });
    const dataset = await openDataset({ name: 'mvsa-single', root });
    expect(dataset.records.map(({ id, image }) => [id, image?.description])).toEqual([
      ['1', join('data', '1.JPG')],
      ['2', join('data', '2.jpg')],
    ]);
  });
});
