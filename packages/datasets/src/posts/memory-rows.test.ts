import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DataError } from '@drf/tensor';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openDataset } from '../open.js';
import { writeMemoryRows } from './memory-rows.js';

let folder: string;
let png: Buffer;
const pixels = { width: 2, height: 2, data: Uint8Array.from({ length: 12 }, (_, i) => 20 * i) };
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'drf-memory-rows-'));
  png = await sharp(pixels.data, { raw: { width: 2, height: 2, channels: 3 } })
    .png()
    .toBuffer();
  await writeFile(join(folder, 'a.png'), png);
});
afterAll(() => rm(folder, { recursive: true, force: true }));

let files = 0;
const nextFile = (): string => join(folder, `rows-${++files}.jsonl`);

async function opened(rows: Iterable<object> | AsyncIterable<object>, columns = {}) {
  const file = nextFile();
  const written = await writeMemoryRows(file, rows, { columns });
  return { written, dataset: await openDataset({ name: 'posts', file, columns, imageSize: 2 }) };
}

describe('writeMemoryRows', () => {
  it('ends by the signal while the next row does not come', async () => {
    const rows = {
      [Symbol.asyncIterator]: () => ({ next: () => new Promise<IteratorResult<object>>(() => undefined) }),
    };
    const file = nextFile();
    await expect(writeMemoryRows(file, rows, { signal: AbortSignal.timeout(5) })).rejects.toThrow(/timeout/);
    await expect(readFile(file)).rejects.toThrow('ENOENT');
  });

  it('gives the same images whether they are named, bytes, blobs or pixels', async () => {
    const images = ['a.png', png, new Uint8Array(png), new Blob([new Uint8Array(png)]), pixels];
    const { written, dataset } = await opened(images.map((image, i) => ({ image, label: i % 2 })));
    expect(written).toEqual({ rows: 5, namesFiles: true });
    expect(dataset.classes).toEqual(['0', '1']);
    const posts = await Promise.all(dataset.records.map((record) => dataset.read(record)));
    for (const { image, text } of posts) expect([image, text]).toEqual([pixels, null]);
    expect(dataset.records.map(({ id }) => id)).toEqual(['1', '2', '3', '4', '5']);
  });

  it('reads an async iterable, in fields of other names, and ids that no double holds', async () => {
    async function* rows() {
      yield { nr: 2n ** 63n, body: 'so good', mood: 'up', extra: { anything: 1 } };
      yield { nr: 7, body: 'so bad', mood: 'down', picture: png };
    }
    const { dataset } = await opened(rows(), { id: 'nr', label: 'mood' });
    expect(dataset.records.map(({ id, label }) => [id, dataset.classes[label]])).toEqual([
      ['9223372036854775808', 'up'],
      ['7', 'down'],
    ]);
    expect(dataset.ledger.toJSON().notes.map(({ message }) => message)).toContainEqual(
      expect.stringMatching(/column "extra" is not used$/),
    );
  });

  it('loses no row that cannot be used', async () => {
    const ring: Record<string, unknown> = {};
    ring['ring'] = ring;
    const rows = [
      { text: 'fine', label: 'x' },
      null,
      'text,label',
      [{ text: 'nested', label: 'x' }],
      { text: 'no label' },
      { text: ring, label: 'x' },
      { label: 'x' },
      { text: 'a', label: 'x', image: { width: 3, height: 3, data: new Uint8Array(5) } },
      { text: 'a', label: 'x', image: 7 },
      { text: 'a', label: 'x', image: new Uint8Array() },
      { text: 'a', label: 'x', image: '../elsewhere.png' },
      { text: 'also fine', label: 'y' },
    ];
    const { written, dataset } = await opened(rows as object[]);
    expect(written.rows).toBe(12);
    expect([dataset.ledger.rows, dataset.ledger.kept]).toEqual([12, 2]);
    expect(dataset.ledger.dropped.map(({ line, detail }) => [line, detail?.replace(/^rows-\d+.jsonl, /, '')])).toEqual([
      [2, 'line 2 expected a JSON object with label, and text or image, received "null"; correct or remove the line'],
      [3, expect.stringContaining('received "text,label"')],
      [4, expect.stringContaining('received "an array"')],
      [5, expect.stringMatching(/^line 5, column label expected a class name, received nothing/)],
      [6, expect.stringMatching(/^line 6, column text expected text, received/)],
      [7, expect.stringContaining('expected text or an image, or both, received neither')],
      [8, 'line 8, column image expected 3 × 3 pixels of 3 bytes, received 5 bytes; correct the row'],
      [9, expect.stringContaining('expected the path of an image file, or an image, received 7')],
      [10, expect.stringContaining('expected the bytes of an image, received none')],
      [11, expect.stringMatching(/outside|inside/)],
    ]);
  });

  it('takes an image of many megabytes', async () => {
    const data = new Uint8Array(1600 * 1600 * 3);
    for (let i = 0; i < data.length; i++) data[i] = (i * 2654435761) >>> 24;
    const bytes = await sharp(data, { raw: { width: 1600, height: 1600, channels: 3 } }).png({ compressionLevel: 0 }).toBuffer(); // prettier-ignore
    expect(bytes.length).toBeGreaterThan(7_000_000);
    const { dataset } = await opened([{ image: bytes, label: 'x' }]);
    expect((await dataset.read(dataset.records[0]!)).image?.width).toBe(2);
  });

  it('ends as the rows end: by their own error, by an abort, by a full disk', async () => {
    const error = new Error('the database is gone');
    const failing = (function* () {
      yield { text: 'a', label: 'x' };
      throw error;
    })();
    const file = nextFile();
    await expect(writeMemoryRows(file, failing)).rejects.toBe(error);
    const signal = AbortSignal.abort('enough');
    await expect(writeMemoryRows(file, [{ text: 'a', label: 'x' }], { signal })).rejects.toBe('enough');
    await expect(readFile(file)).rejects.toThrow('ENOENT');
    await expect(writeMemoryRows(join(folder, 'a.png', 'b.jsonl'), [])).rejects.toThrow(DataError);
  });
});
