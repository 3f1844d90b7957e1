// Images that stand in the table itself, as Hugging Face data sets and exports of databases have them.
import { createHash } from 'node:crypto';
import { readdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parquetWriteFile, type SchemaElement } from 'hyparquet-writer';
import { noiseJpeg } from '@drf/preprocessing/testing';
import { describe, expect, it } from 'vitest';
import { DataError } from '@drf/tensor';
import { openDataset, readUnlabeledPosts, type Dataset } from '../index.js';
import { folderWith, smallJpeg } from '../testing/folders.js';
import { imageCell, ImageSpool } from './image-cell.js';

const decoding = { width: 2, height: 2, fit: 'stretch', maximumPixels: 10_000 } as const;
const optional = { repetition_type: 'OPTIONAL' } as const;
const text = (name: string): SchemaElement => ({ name, type: 'BYTE_ARRAY', converted_type: 'UTF8', ...optional });
const binary = (name: string): SchemaElement => ({ name, type: 'BYTE_ARRAY', ...optional });
const structure = (name: string): SchemaElement[] => [{ name, num_children: 2, ...optional }, binary('bytes'), text('path')]; // prettier-ignore

/** A Parquet file whose column `image` is of the given form. */
async function parquetOf(
  form: SchemaElement[],
  images: unknown[],
  options: Partial<Parameters<typeof parquetWriteFile>[0]> = {},
) {
  const folder = await folderWith({ 'images/1.jpg': await smallJpeg(1), 'images/2.jpg': await smallJpeg(2) });
  const file = join(folder, 'posts.parquet');
  const schema: SchemaElement[] = [{ name: 'root', num_children: 2 }, ...form, text('label')];
  const columnData = [
    { name: 'image', data: images },
    { name: 'label', data: images.map((_, i) => 'ab'[i % 2] as string) },
  ];
  parquetWriteFile({ filename: file, schema, columnData, ...options });
  return file;
}

async function pixels(dataset: Dataset): Promise<string[]> {
  const found: string[] = [];
  for (const record of dataset.records) {
    const { image } = await dataset.read(record);
    found.push(createHash('sha256').update(image?.data ?? '').digest('hex')); // prettier-ignore
  }
  return found;
}

describe('images inside a table', () => {
  it('are read from every form that Parquet has them in, with the same pixels and content hashes', async () => {
    const [one, two] = [await smallJpeg(1), await smallJpeg(2)];
    const list: SchemaElement[] = [
      { name: 'image', num_children: 1, converted_type: 'LIST', ...optional },
      { name: 'list', num_children: 1, repetition_type: 'REPEATED' },
      text('element'),
    ];
    const forms = {
      bytes: await parquetOf(structure('image'), [{ bytes: one, path: '1.jpg' }, { bytes: two, path: null }]),
      paths: await parquetOf(structure('image'), [{ bytes: null, path: 'images/1.jpg' }, { bytes: null, path: 'images/2.jpg' }]),
      plain: await parquetOf([binary('image')], [one, two]),
      list: await parquetOf(list, [['images/1.jpg'], ['images/2.jpg']]),
      unmarked: await parquetOf([binary('image')], [Buffer.from('images/1.jpg'), Buffer.from('images/2.jpg')]),
      strings: await parquetOf([text('image')], ['images/1.jpg', 'images/2.jpg']),
    }; // prettier-ignore
    const seen = new Map<string, unknown>();
    for (const [form, file] of Object.entries(forms)) {
      const dataset = await openDataset({ name: 'posts', file, imageSize: 8 });
      expect(dataset.ledger.toJSON()).toMatchObject({ rows: 2, kept: 2 });
      const hashes = await Promise.all(dataset.records.map((record) => dataset.contentHash(record, 'image')));
      seen.set(form, { hashes, pixels: await pixels(dataset) });
      const judged: unknown[] = [];
      for await (const row of readUnlabeledPosts(file, { decoding })) judged.push('post' in row && row.post.image);
      expect(judged).toEqual([expect.objectContaining({ width: 2 }), expect.objectContaining({ width: 2 })]);
    }
    for (const found of seen.values()) expect(found).toEqual(seen.get('strings'));
    const bytes = await openDataset({ name: 'posts', file: forms.bytes });
    expect(bytes.records.map(({ image }) => image?.description)).toEqual(['1.jpg inside the table', 'inside the table']); // prettier-ignore
  });

  it('are read from JSON Lines and CSV in base64, as structure, data: URL or text', async () => {
    const jpeg = await noiseJpeg(16, 16);
    const base64 = jpeg.toString('base64');
    const url = `data:image/jpeg;base64,${base64}`;
    const wrapped = base64.replaceAll(/.{76}/g, '$&\n');
    const cells = [{ bytes: base64, path: 'x.jpg' }, { bytes: base64 }, url, [url], base64, wrapped, { path: 'x.jpg' }];
    const json = cells.map((image, i) => JSON.stringify({ id: i, label: 'ab'[i % 2], image }));
    const csv = [`"${url}"`, base64, `"${wrapped}"`].map((image, i) => `${i},${'ab'[i % 2]},${image}`);
    const folder = await folderWith({
      'x.jpg': jpeg,
      'a.jsonl': json.join('\n'),
      'a.csv': ['id,label,image', ...csv].join('\n'),
    });
    for (const [name, count] of [['a.jsonl', cells.length], ['a.csv', 3]] as const) {
      const dataset = await openDataset({ name: 'posts', file: join(folder, name), imageSize: 8 });
      expect(dataset.ledger.toJSON()).toMatchObject({ rows: count, kept: count });
      expect(new Set(await pixels(dataset)).size).toBe(1);
    } // prettier-ignore
  });

  it('of large row groups are read in parts', async () => {
    const image = Buffer.concat([await smallJpeg(1), Buffer.alloc(5_000_000)]);
    const images = Array.from({ length: 30 }, () => image); // 150 MB in one group
    const options = { codec: 'UNCOMPRESSED', rowGroupSize: 30 } as const;
    const file = await parquetOf([{ ...binary('image') }], images, options);
    const dataset = await openDataset({ name: 'posts', file, imageSize: 8 });
    expect(dataset.records).toHaveLength(30);
    expect((await dataset.records[29]?.image?.bytes())?.length).toBe(image.length);
    expect(new Set(await pixels(dataset)).size).toBe(1);
  });

  it('that are wrong are refused with the row and what is wrong, shortly', async () => {
    const jpeg = await noiseJpeg();
    const cells = [
      { image: { bytes: 'no base64!', path: null } },
      { image: { bytes: 7 } },
      { image: ['a.jpg', 'b.jpg'] },
      { image: { url: 'x'.repeat(100_000) } },
      { image: 7 },
      { image: 'data:image/svg+xml,%3Csvg%3E' },
      { image: { bytes: '', path: 'x.jpg' } },
      { image: { bytes: jpeg.subarray(0, 1500).toString('base64'), path: `${'y'.repeat(10_000)}.jpg` } },
      { text: ['x'.repeat(1_000_000)] },
    ];
    const folder = await folderWith({ 'a.jsonl': cells.map((row) => JSON.stringify(row)).join('\n') });
    const found: unknown[] = [];
    for await (const row of readUnlabeledPosts(join(folder, 'a.jsonl'), { decoding })) {
      if ('error' in row) found.push(row.error.message);
    }
    expect(found).toEqual([
      'a.jsonl, line 1, column image expected an image in base64, received 10 characters that are none; correct the row',
      'a.jsonl, line 2, column image expected its bytes in base64, received 7; correct the row',
      'a.jsonl, line 3, column image expected one image a post, received a list of 2; make each a row',
      'a.jsonl, line 4, column image expected the path of an image file, or an image, received a structure; correct the row',
      'a.jsonl, line 5, column image expected the path of an image file, or an image, received 7; correct the row',
      'a.jsonl, line 6, column image expected a data: URL of an image in base64, received one that begins with "data:image/svg+xml"; correct the row',
      'a.jsonl, line 7, column image expected the bytes of an image, received none; fill them in, or leave the cell empty',
      expect.stringMatching(/^a.jsonl, line 8, image y{200}… inside the table expected a whole image that decodes, received .{1,80}; repair/),
      expect.stringMatching(/^a.jsonl, line 9, column text expected text, received \["x{1,60}\.\.\.; correct the row$/),
    ]); // prettier-ignore
    expect(imageCell('a', [])).toBeNull();
    expect(imageCell('a', { bytes: null, path: null })).toBeNull();
    expect(imageCell('a', { bytes: new Uint8Array(0), path: null })).toBeNull();
    expect(imageCell('a', ' x.jpg ')).toBe('x.jpg');
  });

  it('in Parquet that are none are refused without their bytes', async () => {
    const file = await parquetOf([binary('image')], [Buffer.alloc(2_000_000, 0xff), await smallJpeg(1)]);
    const dataset = await openDataset({ name: 'posts', file, imageSize: 8 });
    await expect(dataset.read(dataset.records[0]!)).rejects.toThrow(
      /^posts post 1, image inside the table expected an image \(.*\), received 2000000 bytes of something else; repair/,
    );
    const small = await openDataset({ name: 'posts', file, imageSize: 8, maximumImageBytes: 10_000 });
    expect(small.ledger.dropped.map(({ detail }) => detail)).toEqual([
      'posts.parquet, row 1, column image expected an image of at most 10000 bytes, received 2000000 bytes; shrink it',
    ]);
  });
});

describe('ImageSpool', () => {
  it('gives back what it was given, and leaves nothing in the folder for temporary files', async () => {
    const mine = async () => (await readdir(tmpdir())).filter((name) => name.startsWith('drf-images-'));
    const before = await mine();
    const spool = new ImageSpool();
    const sources = [1, 0, 300_000].map((length, i) => spool.keep(Buffer.alloc(length, i + 1), `image ${i}`));
    const lengths = await Promise.all(sources.map(async (source) => (await source.bytes()).length));
    expect(lengths).toEqual([1, 0, 300_000]);
    expect((await sources[2]?.bytes())?.every((byte) => byte === 3)).toBe(true);
    expect(sources[1]?.description).toBe('image 1');
    expect(await mine()).toEqual(before);
  });

  it('says what to do where there is no room for it', () => {
    const former = process.env.TMPDIR;
    process.env.TMPDIR = '/no/such/folder';
    try {
      expect(() => new ImageSpool().keep(Buffer.alloc(1), 'x')).toThrow(DataError);
    } finally {
      if (former === undefined) delete process.env.TMPDIR;
      else process.env.TMPDIR = former;
    }
  });
});
