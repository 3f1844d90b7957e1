// Files as people have them: other column names, Windows paths, labels of every kind, and rows that are wrong in every way.
import { symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parquetWriteFile } from 'hyparquet-writer';
import { describe, expect, it } from 'vitest';
import { noiseJpeg, pngBomb } from '@drf/preprocessing/testing';
import { openDataset, type OpenOptions } from '../index.js';
import { folderWith, smallJpeg } from '../testing/folders.js';

async function openFile(name: string, content: string | Uint8Array, options: Partial<OpenOptions> = {}) {
  const images = { 'images/a.jpg': await smallJpeg(1), 'b c é.jpg': await smallJpeg(2) };
  const folder = await folderWith({ [name]: content, ...images });
  return { folder, dataset: await openDataset({ name: 'posts', file: join(folder, name), imageSize: 4, ...options }) };
}

const details = ({ ledger }: Awaited<ReturnType<typeof openDataset>>) =>
  ledger.dropped.map(({ reason, detail }) => [reason, detail]);
const notes = ({ ledger }: Awaited<ReturnType<typeof openDataset>>) =>
  ledger.toJSON().notes.map(({ message }) => message);

describe('posts of one’s own', () => {
  it('need no ids, and may name their columns as they like', async () => {
    const content = 'Tweet;Photo;Sentiment;Likes\n"one\nline";images\\a.jpg;happy;3\ntwo;;sad;1\n;b c é.jpg;sad;\n';
    const { dataset } = await openFile('my posts.csv', content);
    expect(dataset.classes).toEqual(['happy', 'sad']);
    expect(dataset.records.map(({ id, text, image }) => [id, text !== null, image?.description])).toEqual([
      ['1', true, join('images', 'a.jpg')],
      ['2', true, undefined],
      ['3', false, 'b c é.jpg'],
    ]);
    expect(notes(dataset)).toEqual([
      'my posts.csv: columns: text is "Tweet", image is "Photo", label is "Sentiment"',
      'my posts.csv: column "Likes" is not used',
      'my posts.csv: no column of ids; rows are numbered',
    ]);
  });

  it.each([
    ['posts.jsonl', '{"caption":"a","mood":"x"}\n{"mood":"y","caption":"b"}\n'],
    ['posts.csv', 'caption,mood\na,x\nb,y\n'],
  ])('in %s are read by columns that are named', async (name, content) => {
    const { dataset } = await openFile(name, content, { columns: { label: 'mood' } });
    expect([dataset.classes, dataset.records.map(({ id }) => id)]).toEqual([['x', 'y'], ['1', '2']]); // prettier-ignore
  });

  it('in Parquet, too, and with numbers and truth values as labels', async () => {
    const folder = await folderWith({});
    const file = join(folder, 'posts.parquet');
    const columnData = [
      { name: 'Content', data: ['a', 'b', 'c'], type: 'STRING' as const },
      { name: 'class', data: [true, false, true], type: 'BOOLEAN' as const },
      { name: 'score', data: [1.5, 2.5, 3.5], type: 'DOUBLE' as const },
    ];
    parquetWriteFile({ filename: file, columnData });
    const dataset = await openDataset({ name: 'posts', file });
    expect(dataset.classes).toEqual(['false', 'true']);
    expect(notes(dataset)).toContain('posts.parquet: column "score" is not used');
  });

  it('of several files are numbered file by file', async () => {
    const folder = await folderWith({ 'train.csv': 'text,label\na,x\n', 'test.csv': 'text,label\nb,y\n' });
    const dataset = await openDataset({ name: 'posts', file: [join(folder, 'train.csv'), join(folder, 'test.csv')] });
    expect(dataset.records.map(({ id, split }) => [id, split])).toEqual([['train-1', 'train'], ['test-1', 'test']]); // prettier-ignore
  });

  it('may have labels with spaces, of any script, and numbers, which come in their order', async () => {
    const { dataset } = await openFile('a.csv', 'text,label\na, very happy \nb,грустно\nc,very happy\nd,😀\ne,\n');
    expect(dataset.classes).toEqual(['very happy', 'грустно', '😀']);
    expect(details(dataset)).toEqual([['missing label', 'a.csv, line 6, column label expected a class name, received nothing (it is empty); fill it in']]); // prettier-ignore
    const numbers = await openFile('b.csv', `text,label\n${[10, 9, 2, -1, 100].map((n) => `t,${n}`).join('\n')}\n`);
    expect(numbers.dataset.classes).toEqual(['-1', '2', '9', '10', '100']);
  });

  it('say which columns there are where none is a label', async () => {
    await expect(openFile('a.csv', 'tweet,mood\na,x\n')).rejects.toThrow(
      /expected columns named label \(or sentiment, class, …\), and text or image \(or both\), each once, received "tweet", "mood"; add a header row that names the columns, or say which is which \(--columns label=NAME/,
    );
    await expect(openFile('a.csv', 'tweet,mood\na,x\n', { columns: { label: 'moood' } })).rejects.toThrow(
      /expected a column "moood", named for label, received "tweet", "mood"/,
    );
    await expect(openFile('a.jsonl', '{"tweet":"a","mood":1}\n')).rejects.toThrow(
      /at least one usable row, received none of 1 \(1 has no label; the first: a.jsonl, line 1, column label expected a class name, received nothing; columns are "tweet", "mood"/,
    );
  });

  it('never lead to files outside the root, by whatever path', async () => {
    const outside = await folderWith({ 'secret.jpg': await smallJpeg(3) });
    const paths = [
      join(outside, 'secret.jpg'),
      '../secret.jpg',
      'images/../../secret.jpg',
      '..\\\\secret.jpg',
      'C:\\\\Users\\\\me\\\\secret.jpg',
      'C:/secret.jpg',
      '\\\\\\\\server\\\\share\\\\secret.jpg',
      'images/a.jpg\\u0000.png',
      'link.jpg',
      'file:///etc/hostname',
    ];
    const content = paths.map((path) => `{"image":"${path}","label":"x"}`).join('\n');
    const folder = await folderWith({ 'a.jsonl': `${content}\n{"text":"t","label":"x"}`, 'images/a.jpg': await smallJpeg(1) }); // prettier-ignore
    await symlink(join(outside, 'secret.jpg'), join(folder, 'link.jpg'));
    const dataset = await openDataset({ name: 'posts', file: join(folder, 'a.jsonl') });
    expect(dataset.records.map(({ image }) => image)).toEqual([null]);
    const reasons = details(dataset).map(([reason]) => reason);
    expect(reasons.slice(0, 9)).toEqual(Array.from({ length: 9 }, () => 'path outside the root'));
    expect(reasons[9]).toBe('missing image');
    expect(details(dataset)[4]?.[1]).toMatch(
      /line 5, column image expected a path inside .*, received "C:\\\\Users\\\\me\\\\secret.jpg", on a drive of Windows; write paths relative to that folder/,
    );
  });

  it('may lie anywhere below a root that is named, by absolute paths as well', async () => {
    const images = await folderWith({ 'deep/a.jpg': await smallJpeg(1) });
    const { dataset } = await openFile('a.csv', `image,label\n${join(images, 'deep', 'a.jpg')},x\ndeep/a.jpg,y\n`, { root: images }); // prettier-ignore
    expect(dataset.records.map(({ image }) => image?.description)).toEqual([join('deep', 'a.jpg'), join('deep', 'a.jpg')]); // prettier-ignore
  });

  it('are each refused for their own trouble, and the others are kept', async () => {
    const jpeg = await noiseJpeg();
    const folder = await folderWith({
      'cut.jpg': jpeg.subarray(0, jpeg.length / 2),
      'huge.png': await pngBomb(50_000, 50_000),
      'drawing.svg': '<svg xmlns="http://www.w3.org/2000/svg"><image href="file:///etc/hostname"/></svg>',
      'drawing.png': '<?xml version="1.0"?><!DOCTYPE svg [<!ENTITY x SYSTEM "file:///etc/hostname">]><svg>&x;</svg>',
      'empty.jpg': new Uint8Array(),
    });
    const rows = [
      { image: 'cut.jpg' },
      { image: 'huge.png' },
      { image: 'drawing.svg' },
      { image: 'drawing.png' },
      { image: 'empty.jpg' },
      { image: '.' },
      { image: 'https://example.org/a.jpg' },
      { image: `data:image/png;base64,${'A'.repeat(5000)}` },
      { image: 'a/'.repeat(400_000) },
      { text: 'x'.repeat(3 * 1024 * 1024) },
      { text: 'nul \u0000 inside' },
      { text: 'half \ud83d of one' },
      { text: ' ', image: '' },
      { text: null, image: null },
      {},
    ].map((row, i) => ({ id: i, label: 'x', ...row }));
    await writeFile(join(folder, 'a.jsonl'), rows.map((row) => JSON.stringify(row)).join('\n'));
    await writeFile(join(folder, 'b.jsonl'), `{"text":"${'x'.repeat(101_000_000)}","label":"x"}\n{"text":"fine","label":"y"}`); // prettier-ignore
    const dataset = await openDataset({ name: 'posts', file: join(folder, 'a.jsonl'), imageSize: 4 });
    expect(dataset.records.map(({ id }) => id)).toEqual(['0', '1', '2', '3', '7', '10', '11']);
    const trouble = await Promise.all(
      dataset.records.map((record) => dataset.read(record).then(({ text }) => text, (error: Error) => error.message)),
    ); // prettier-ignore
    expect(trouble).toEqual([
      expect.stringMatching(/^posts post 0, image cut.jpg expected a whole image that decodes, received .*; repair, replace or remove the file$/),
      expect.stringMatching(/^posts post 1, image huge.png expected at most 100000000 pixels, received 50000 × 50000, 2500000000 pixels; shrink the image/),
      expect.stringMatching(/^posts post 2, image drawing.svg expected an image \(JPEG, PNG, GIF, WebP, TIFF, AVIF\/HEIF\), received 82 bytes of something else \(an SVG drawing\); repair, convert or remove the file$/),
      expect.stringMatching(/^posts post 3, image drawing.png expected an image .* received 93 bytes of something else/),
      expect.stringMatching(/^posts post 7, image inside the table expected an image .* received 3750 bytes of something else;/),
      'nul \u0000 inside',
      'half \ufffd of one',
    ]); // prettier-ignore
    expect(details(dataset)).toEqual([
      ['empty image file', expect.stringMatching(/^a.jsonl, line 5, column image expected an image file empty.jpg inside .*, received 0 bytes/)],
      ['missing image', expect.stringMatching(/^a.jsonl, line 6, column image expected an image file \. inside .*, received nothing there/)],
      ['missing image', 'a.jsonl, line 7, column image expected the path of an image file, received the address https://example.org/a.jpg; save the image as a file and name that: nothing is fetched'],
      ['missing image', expect.stringMatching(/^a.jsonl, line 9, column image expected a path of at most 4096 characters, received 800000 characters, "(a\/){100}…"/)],
      ['text too large', 'a.jsonl, line 10 expected a text of at most 1048576 bytes, received 3145728 bytes; shorten it'],
      ['empty text', 'a.jsonl, line 13 expected text or an image, or both, received neither; fill in one of them or remove the row'],
      ['missing image and text', 'a.jsonl, line 14 expected text or an image, or both, received neither; fill in one of them or remove the row'],
      ['missing image and text', expect.stringMatching(/^a.jsonl, line 15 /)],
    ]); // prettier-ignore
    expect(notes(dataset)).toContain(
      'half a character in the text (an unpaired surrogate, or U+FFFD in its place), read as U+FFFD',
    );
    const long = await openDataset({ name: 'posts', file: join(folder, 'b.jsonl') });
    expect(long.records).toHaveLength(1);
    expect(details(long)[0]?.[1]).toBe(
      'b.jsonl, line 1 expected a line of at most 100663296 bytes, received a longer one; shorten or remove the line',
    );
  });
});
