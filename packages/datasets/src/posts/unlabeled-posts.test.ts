import { symlink, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Modality } from '@drf/tensor';
import { folderWith, smallJpeg } from '../testing/folders.js';
import type { PostRecord } from '../dataset.js';
import { openDataset } from '../open.js';
import { countUnlabeledPosts, readUnlabeledPosts, type UnlabeledOptions } from './unlabeled-posts.js';

const decoding = { width: 2, height: 2, fit: 'stretch', maximumPixels: 1000 } as const;

async function shortly(path: string, options: Partial<UnlabeledOptions> = {}): Promise<unknown[]> {
  const rows: unknown[] = [];
  for await (const result of readUnlabeledPosts(path, { decoding, ...options })) {
    const { row, id } = result;
    if ('error' in result) rows.push([row, id, result.error.reason, result.error.message]);
    else rows.push([row, id, result.post.text, result.post.image?.data.length ?? null]);
  }
  return rows;
}

describe('readUnlabeledPosts', () => {
  it('reads tables without labels and ids, and goes on after wrong rows', async () => {
    const inside = await folderWith({
      'posts.csv': 'id,text,image\na,hello,x.jpg\n,only text,\nc,,x.jpg\nd,,\ne,t,../outside.jpg\nf,t,none.jpg\n',
      'x.jpg': await smallJpeg(),
    });
    const rows = await shortly(join(inside, 'posts.csv'));
    expect(rows.slice(0, 3)).toEqual([
      [1, 'a', 'hello', 12],
      [2, 'posts.csv, line 3', 'only text', null],
      [3, 'c', null, 12],
    ]);
    expect(rows.slice(3)).toEqual([
      [4, 'd', 'missing image and text', expect.stringMatching(/^posts.csv, line 5 expected text or an image, or both, received neither/)],
      [5, 'e', 'path outside the root', expect.stringMatching(/^posts.csv, line 6, column image expected a path inside/)],
      [6, 'f', 'missing image', expect.stringMatching(/^posts.csv, line 7, column image expected an image file none.jpg/)],
    ]); // prettier-ignore
    expect(await countUnlabeledPosts(join(inside, 'posts.csv'))).toBe(6);
  });

  it('knows contents as data sets do, so that features of one are found for the other', async () => {
    const inside = await folderWith({
      'posts.csv': 'id,text,image,label\na,hällo ,x.jpg,good\nb,,x.jpg,bad\nc,only text,,good\n',
      'x.jpg': await smallJpeg(),
    });
    const file = join(inside, 'posts.csv');
    const dataset = await openDataset({ name: 'posts', file, imageSize: 2 });
    const found: unknown[] = [];
    for await (const result of readUnlabeledPosts(file, { decoding })) found.push('error' in result ? result.error : result.contentHashes); // prettier-ignore
    const hash = (i: number, modality: Modality): Promise<string> =>
      dataset.contentHash(dataset.records[i] as PostRecord, modality);
    expect(found).toEqual([
      { image: await hash(0, 'image'), text: await hash(0, 'text') },
      { image: await hash(1, 'image'), text: null },
      { image: null, text: await hash(2, 'text') },
    ]);
  });

  it('never lets an id cost a judgment, and keeps the digits of tweet ids', async () => {
    const rows = ['{"id":1294030472427835393,"text":"a"}', '{"id":1.5,"text":"b"}', '{"id":{"$oid":"x"},"text":"c"}', '{"id":null,"text":"d"}']; // prettier-ignore
    const inside = await folderWith({ 'posts.jsonl': rows.join('\n') });
    const found = (await shortly(join(inside, 'posts.jsonl'))) as unknown[][];
    expect(found.map((row) => row[1])).toEqual(['1294030472427835393', ...[2, 3, 4].map((line) => `posts.jsonl, line ${line}`)]); // prettier-ignore
    expect(found.map((row) => row[2])).toEqual(['a', 'b', 'c', 'd']);
  });

  it('reads every line of a table with open quotes, and words for no image', async () => {
    const lines = ['text\timage', 'a\tnan', '"open\t', 'b\tnone', 'close"\t', 'c\tx.jpg'];
    const inside = await folderWith({ 'posts.tsv': lines.join('\n'), 'x.jpg': await smallJpeg() });
    const notes: string[] = [];
    const found = (await shortly(join(inside, 'posts.tsv'), { onNote: (note) => notes.push(note) })) as unknown[][];
    expect(found.map((row) => row.slice(2))).toEqual([['a', null], ['"open', null], ['b', null], ['close"', null], ['c', 12]]); // prettier-ignore
    expect(notes).toEqual([
      'posts.tsv, line 3, and perhaps others: a quote that does not close before a separator, read as it stands',
      '"nan" in the column of images, taken as no image',
      '"none" in the column of images, taken as no image',
    ]);
    expect(await countUnlabeledPosts(join(inside, 'posts.tsv'))).toBe(5);
  });

  it('takes files of a folder together by name, whatever its Unicode form', async () => {
    const inside = await folderWith({
      ['é.jpg'.normalize('NFD')]: await smallJpeg(),
      ['é.txt'.normalize('NFC')]: 'both',
    });
    expect(await shortly(inside)).toEqual([[1, 'é'.normalize('NFC'), 'both', 12]]);
    expect(await countUnlabeledPosts(inside)).toBe(1);
  });

  it('finds out encodings, or takes the one that is named, and says so', async () => {
    const latin = Buffer.from('id,text\n1,caf\xe9\n', 'latin1');
    const chinese = Uint8Array.of(0xa8, 0xa6, 0x20, 0xd0, 0xa6); // é 笑 in GB18030
    const folder = await folderWith({ 'posts.csv': latin, 'gb/1.txt': chinese, 'gb/2.txt': Uint8Array.of(0xd0, 0xa6), 'gb/3.txt': chinese, 'own/1.txt': 'für …', 'own/2.txt': Buffer.from('f\xfcr', 'latin1') }); // prettier-ignore
    const texts = async (name: string, options: Partial<UnlabeledOptions> = {}) => {
      const notes: string[] = [];
      const found = (await shortly(join(folder, name), { onNote: (note) => notes.push(note), ...options })) as unknown[][]; // prettier-ignore
      return [found.map((row) => row[2]), notes];
    };
    const named = '--dataset.encoding names another';
    expect(await texts('posts.csv')).toEqual([['café'], [`posts.csv: is not UTF-8; read as windows-1252 (${named})`]]);
    expect(await texts('posts.csv', { encoding: 'windows-1251' })).toEqual([['cafй'], []]);
    expect(await texts('gb')).toEqual([['é 笑', '笑', 'é 笑'], [`texts are read as GB18030 (found out; ${named})`]]);
    expect(await texts('own')).toEqual([['für …', 'für'], [`1 texts are not UTF-8 and are read as windows-1252 (${named})`]]); // prettier-ignore
    expect((await texts('own', { encoding: 'utf-8' }))[0]).toEqual(['für …', 'undecodable text']);
  });

  it('passes over rows, whose content it does not read', async () => {
    const inside = await folderWith({ 'posts.jsonl': '{"image":"no.jpg"}\n{"text":"second"}\n[]\n{"id":7,"text":"\\u0000x"}\n' }); // prettier-ignore
    expect(await shortly(join(inside, 'posts.jsonl'), { skip: 1 })).toEqual([
      [2, 'posts.jsonl, line 2', 'second', null],
      [3, 'posts.jsonl, line 3', 'bad row', expect.stringContaining('expected a JSON object with text or image, received an array')],
      [4, '7', '\u0000x', null],
    ]); // prettier-ignore
  });

  it('pairs the files of a folder by name, in the order of numbers', async () => {
    const inside = await folderWith({
      '10.jpg': await smallJpeg(),
      '9.txt': ' nine \n',
      '9.jpg': await smallJpeg(),
      '11.txt': ' ',
      '12.png': (await smallJpeg()).subarray(0, 200),
      'deeper/1.txt': 'deeper',
    });
    const outside = await folderWith({});
    await writeFile(join(outside, 'secret.txt'), 'secret');
    await symlink(join(outside, 'secret.txt'), join(inside, '13.txt'));
    const rows = (await shortly(inside)) as unknown[][];
    expect(rows.slice(0, 2)).toEqual([
      [1, '9', 'nine', 12],
      [2, '10', null, 12],
    ]);
    expect(rows.slice(2).map((row) => [row[1], row[2]])).toEqual([
      ['11', 'missing image and text'],
      ['12', 'undecodable image'],
      ['13', 'unreadable file'],
      ['deeper/1', 'deeper'],
    ]);
    expect(rows[4]?.[3]).toMatch(/expected a path inside .*, received one that leads outside/);
    expect(await countUnlabeledPosts(inside)).toBe(6);
  });

  it('judges every image of a folder whatever its name, and lists every other file with what it is', async () => {
    const jpeg = await smallJpeg();
    const images = ['2', '3.jfif', '4.jpg_large', '5.JPEG', 'a.b.c', 'v1.2', 'v1.3', 'sub/deep/6.png'];
    const inside = await folderWith({
      ...Object.fromEntries(images.map((name) => [name, jpeg])),
      '2.txt': 'two',
      '7.bmp': 'BM\x36\0\0\0\0\0\0\0',
      '7.txt': 'seven',
      '8.jpg': jpeg,
      '8.png': jpeg,
      '9.txt': 'nine',
      '9.TXT': 'nine again',
      'notes.md': 'not a post',
      'Thumbs.db': new Uint8Array(5),
      '.cache/1.jpg': jpeg,
      'judged.csv.partial.jsonl': '{}',
    });
    await symlink(join(inside, 'sub'), join(inside, 'again'));
    const except = join(inside, 'judged.csv');
    const rows = (await shortly(inside, { except })) as unknown[][];
    const byId = new Map(rows.map(([, id, ...rest]) => [id, rest]));
    for (const id of ['3', '4', '5', 'a.b.c', 'v1.2', 'v1.3', 'sub/deep/6']) expect(byId.get(id)).toEqual([null, 12]);
    expect(byId.get('2')).toEqual(['two', 12]);
    const place = basename(inside);
    expect(byId.get('7')?.[1]).toMatch(/expected an image \(.*\), received 10 bytes of something else \(a BMP image\)/);
    expect(byId.get('8')).toEqual(['bad row', `${place}/8 expected one image of this name, received "8.jpg" and "8.png"; rename all but one of them, or move them away`]);
    expect(byId.get('9')?.[1]).toContain('expected one text of this name, received "9.TXT" and "9.txt"');
    expect(byId.get('notes.md')).toEqual(['no post', `${place}/notes.md expected an image (JPEG, PNG, GIF, WebP, TIFF, AVIF/HEIF) or a .txt file, received 10 bytes of something else; convert it, or move it away`]);
    expect(byId.get('Thumbs.db')?.[0]).toBe('no post');
    expect(byId.get('.cache')?.[1]).toContain('received a hidden folder, which is not looked into');
    expect(byId.get('again')?.[1]).toContain('received a link to a folder, which is not followed');
    expect(rows).toHaveLength(15);
    expect(await countUnlabeledPosts(inside, { except })).toBe(15);
  }); // prettier-ignore

  it('refuses a path with nothing there, an unknown ending, and a table without content', async () => {
    await expect(shortly('/no/such')).rejects.toThrow('Opening /no/such expected a file of posts (.jsonl, .csv, .tsv, .parquet) or a folder'); // prettier-ignore
    const inside = await folderWith({ 'posts.xlsx': '', 'posts.csv': 'id,label\n1,x\n' });
    await expect(shortly(join(inside, 'posts.xlsx'))).rejects.toThrow(/expected a file that ends in .jsonl/);
    await expect(shortly(join(inside, 'posts.csv'))).rejects.toThrow(
      /expected columns named text or image \(or both\), each once, received "id", "label"/,
    );
  });
});
