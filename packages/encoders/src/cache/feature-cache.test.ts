import { appendFile, readdir, readFile, rename, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { CheckpointError, DataError, NonFiniteError, ShapeMismatchError } from '@drf/tensor';
import { type FeatureCache, featureKey, hashContent, openFeatureCache } from './feature-cache.js';
import { type CacheFiles, diskFiles } from './segment.js';
import { temporaryFolder } from '../testing/temporary-folder.js';

const ENCODER = { id: 'model: a/b@1 😀', outputDim: 3 };

function row(start: number): Float32Array {
  return Float32Array.of(start, start + 0.5, -start);
}

async function fill(cache: FeatureCache, from: number, to: number): Promise<void> {
  for (let i = from; i < to; i++) cache.put(`key ${i}`, row(i));
  await cache.flush();
}

function keys(count: number): string[] {
  return Array.from({ length: count }, (_, i) => `key ${i}`);
}

/** A folder with one closed segment of so many rows. */
async function filledFolder(rows: number): Promise<{ root: string; folder: string }> {
  const root = await temporaryFolder();
  const cache = await openFeatureCache(root, ENCODER);
  await fill(cache, 0, rows);
  await cache.close();
  return { root, folder: cache.folder };
}

/** Changes a bit of a byte; a negative place counts from the end. */
async function flipBit(file: string, place: number): Promise<void> {
  const bytes = await readFile(file);
  const position = place < 0 ? bytes.length + place : place;
  bytes[position] = (bytes[position] as number) ^ 1;
  await writeFile(file, bytes);
}

async function reopened(root: string, encoder = ENCODER): Promise<FeatureCache> {
  return openFeatureCache(root, encoder);
}

describe('FeatureCache', () => {
  it('keeps rows in half precision where the encoder says so, and mixes no formats', async () => {
    const root = await temporaryFolder();
    const half = { ...ENCODER, storage: 'float16' as const };
    const cache = await openFeatureCache(root, half);
    await fill(cache, 0, 4);
    await cache.close();
    const rows = (await readdir(cache.folder)).filter((name) => name.endsWith('.rows'));
    expect((await readFile(join(cache.folder, rows[0] as string))).length).toBe(4 * 3 * 2);
    const again = await openFeatureCache(root, half);
    expect(await again.get(keys(4))).toEqual(keys(4).map((_, i) => row(i)));
    await again.close();
    await expect(openFeatureCache(root, ENCODER)).rejects.toThrow(CheckpointError);
  });

  it('gives back what was put, before and after a flush and in another process', async () => {
    const root = await temporaryFolder();
    const cache = await openFeatureCache(root, ENCODER);
    expect(await cache.get(['key 0'])).toEqual([undefined]);
    cache.put('key 0', row(0));
    expect(await cache.get(['key 0', 'absent'])).toEqual([row(0), undefined]);
    await fill(cache, 1, 10);
    expect(await cache.get(['key 9', 'key 0', 'key 9', 'key 3'])).toEqual([row(9), row(0), row(9), row(3)]);
    expect(cache.stats).toMatchObject({ rows: 10, hits: 5, misses: 2, written: 10, segments: 1, problems: [] });
    await cache.close();
    const again = await reopened(root);
    expect(await again.get(keys(10))).toEqual(keys(10).map((_, i) => row(i)));
    expect(again.has('key 4')).toBe(true);
    expect(again.has('key 10')).toBe(false);
    await again.close();
    expect(await readdir(again.folder)).toHaveLength(2);
  });

  it('copies rows in and out', async () => {
    const cache = await openFeatureCache(await temporaryFolder(), ENCODER);
    const mine = row(1);
    cache.put('key', mine);
    mine[0] = 99;
    const [given] = await cache.get(['key']);
    expect(given).toEqual(row(1));
    (given as Float32Array)[1] = 99;
    await cache.close();
    expect(await cache.get(['key'])).toEqual([row(1)]);
    await cache.close();
  });

  it('leaves no file behind when nothing was put', async () => {
    const root = await temporaryFolder();
    await (await openFeatureCache(root, ENCODER)).close();
    expect(await readdir(root)).toEqual([]);
  });

  it('keeps the rows of two encoders apart', async () => {
    const { root } = await filledFolder(2);
    const other = await reopened(root, { id: 'model: a/b@2 😀', outputDim: 3 });
    expect(other.has('key 0')).toBe(false);
    await other.close();
  });

  it('refuses rows with NaN or infinity, or of another length', async () => {
    const cache = await openFeatureCache(await temporaryFolder(), ENCODER);
    expect(() => cache.put('key', Float32Array.of(1, NaN, 2))).toThrow(NonFiniteError);
    expect(() => cache.put('key', Float32Array.of(1, 2, -Infinity), 'post 7')).toThrow(
      'post 7 expected finite numbers, received -Infinity at index 2; look at that item and at the encoder; it was not stored',
    );
    expect(() => cache.put('key', Float32Array.of(1))).toThrow(ShapeMismatchError);
    expect(cache.has('key')).toBe(false);
    await cache.close();
  });

  it('sees what another open cache has flushed, after a refresh', async () => {
    const root = await temporaryFolder();
    const [one, two] = [await openFeatureCache(root, ENCODER), await openFeatureCache(root, ENCODER)];
    await fill(one, 0, 2);
    await fill(two, 2, 4);
    await fill(one, 4, 6);
    expect(two.has('key 5')).toBe(false);
    await two.refresh();
    expect(await two.get(keys(6))).toEqual(keys(6).map((_, i) => row(i)));
    await fill(two, 0, 7); // only the seventh is new
    expect(two.stats).toMatchObject({ written: 3, segments: 2 });
    await Promise.all([one.close(), two.close()]);
  });
});

describe('a damaged cache', () => {
  it('drops an entry that was torn in the middle', async () => {
    const { root, folder } = await filledFolder(3);
    const index = join(folder, 'segment-000001.index');
    await truncate(index, (await readFile(index)).length - 20);
    const cache = await reopened(root);
    expect(await cache.get(keys(3))).toEqual([row(0), row(1), undefined]);
    await fill(cache, 2, 3);
    await cache.close();
    const again = await reopened(root);
    expect(await again.get(keys(3))).toEqual([row(0), row(1), row(2)]);
    await again.close();
  });

  it('drops rows beyond the end of their file, by name', async () => {
    const { root, folder } = await filledFolder(3);
    await truncate(join(folder, 'segment-000001.rows'), 12 + 5);
    const cache = await reopened(root);
    expect(await cache.get(keys(3))).toEqual([row(0), undefined, undefined]);
    expect(cache.stats.problems).toEqual(['segment-000001.rows: ends early, 2 rows are gone; dropped']);
    await cache.close();
  });

  it('finds a flipped bit in a row or an entry, and lets the row be put anew', async () => {
    const { root, folder } = await filledFolder(4);
    await flipBit(join(folder, 'segment-000001.rows'), 12 + 3); // in the second row
    await flipBit(join(folder, 'segment-000001.index'), -48 + 3); // in the last entry
    const cache = await reopened(root);
    expect(await cache.get(keys(4))).toEqual([row(0), undefined, row(2), undefined]);
    expect(cache.stats.problems).toEqual([
      'segment-000001.index: 1 damaged entries; dropped',
      'segment-000001.rows: row 1 is damaged; dropped',
    ]);
    await fill(cache, 0, 4);
    await cache.close();
    const again = await reopened(root);
    expect(await again.get(keys(4))).toEqual([row(0), row(1), row(2), row(3)]);
    await again.close();
  });

  it('ignores a segment whose header was never finished', async () => {
    const { root, folder } = await filledFolder(1);
    await writeFile(join(folder, 'segment-000002.index'), 'DRFFE');
    await writeFile(join(folder, 'segment-000003.index'), '');
    const cache = await reopened(root);
    await fill(cache, 1, 2);
    expect(await cache.get(keys(2))).toEqual([row(0), row(1)]);
    expect(cache.stats.problems[0]).toBe('segment-000002.index: ends within its header; ignored');
    expect(await readdir(folder)).toContain('segment-000004.rows');
    await cache.close();
  });

  it.each([
    ['text', 'not a cache at all, but long enough to hold a header'],
    ['a JSON file', '{}'],
    ['a damaged header', 'DRFFEAT1\u0002\u0000\u0000\u0000{}12345678'],
  ])('refuses %s in its folder by name', async (_, content) => {
    const { root, folder } = await filledFolder(1);
    await writeFile(join(folder, 'segment-000002.index'), content);
    const error = await reopened(root).catch((caught: unknown) => caught as Error);
    expect(error).toBeInstanceOf(CheckpointError);
    expect((error as Error).message).toBe(
      `Feature cache file ${join(folder, 'segment-000002.index')} expected a segment of encoder "model: a/b@1 😀" ` +
        'with 3 values a row, received a file of another kind, or a damaged header; delete it and ' +
        'segment-000002.rows; their features will be computed again',
    );
  });

  it("refuses another encoder's segment by name", async () => {
    const { root, folder } = await filledFolder(1);
    const other = await openFeatureCache(root, { id: 'other', outputDim: 2 });
    other.put('key', Float32Array.of(1, 2));
    await other.close();
    await rename(join(other.folder, 'segment-000001.index'), join(folder, 'segment-000009.index'));
    await expect(reopened(root)).rejects.toThrow(
      /000009.index expected .*received one of encoder "other" with 2 values/,
    );
  });

  it('ignores files that are not segments', async () => {
    const { root, folder } = await filledFolder(1);
    await appendFile(join(folder, 'notes.txt'), 'mine');
    const cache = await reopened(root);
    expect(cache.stats).toMatchObject({ rows: 1, problems: [] });
    await cache.close();
  });
});

describe('a full disk', () => {
  /** Files that take so many more bytes, then fail half-way through a write. */
  function limitedFiles(disk: { room: number }): CacheFiles {
    return {
      ...diskFiles,
      open: async (path, flags) => {
        const handle = await diskFiles.open(path, flags);
        const write = handle.write.bind(handle) as (...args: unknown[]) => Promise<{ bytesWritten: number }>;
        handle.write = (async (bytes: Uint8Array, offset: number, length: number, position: number) => {
          const fits = Math.min(length, disk.room);
          disk.room -= fits;
          if (fits > 0) return write(bytes, offset, fits, position);
          throw Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC' });
        }) as typeof handle.write;
        return handle;
      },
    };
  }

  it.each([12 * 4 + 10, 12 * 7 + 48 + 5])('says so and keeps what was stored (%i bytes left)', async (room) => {
    const root = await temporaryFolder();
    const disk = { room: 10_000 };
    const cache = await openFeatureCache(root, ENCODER, limitedFiles(disk));
    await fill(cache, 0, 3);
    disk.room = room;
    for (let i = 3; i < 10; i++) cache.put(`key ${i}`, row(i));
    const error = await cache.flush().catch((caught: unknown) => caught as Error);
    expect(error).toBeInstanceOf(DataError);
    expect((error as Error).message).toBe(
      `Feature cache ${cache.folder} expected room and permission to write 7 rows of 3 values, received ENOSPC: no ` +
        'space left on device, write; free some disk space and run again; the 3 rows that were stored before are kept',
    );
    const other = await openFeatureCache(root, ENCODER);
    expect(await other.get(keys(4))).toEqual([row(0), row(1), row(2), undefined]);
    expect(other.stats.problems).toEqual([]);
    await other.close();
    disk.room = 10_000; // space was freed: nothing that was computed is lost
    await cache.close();
    const again = await openFeatureCache(root, ENCODER);
    expect(await again.get(keys(10))).toEqual(keys(10).map((_, i) => row(i)));
    await again.close();
  });

  it('says so when not even the first segment can be started', async () => {
    const cache = await openFeatureCache(await temporaryFolder(), ENCODER, limitedFiles({ room: 5 }));
    cache.put('key', row(1));
    await expect(cache.flush()).rejects.toThrow(/to write 1 rows of 3 values, received ENOSPC: .* the 0 rows/);
    await expect(cache.close()).rejects.toThrow('ENOSPC');
    expect(await readdir(cache.folder)).toEqual([]);
  });

  it('names the folder when it cannot be made', async () => {
    const root = join(await temporaryFolder(), 'file');
    await writeFile(root, '');
    await expect(openFeatureCache(root, ENCODER)).rejects.toThrow(
      /Feature cache .* expected a readable folder, received ENOTDIR/,
    );
  });
});

describe('featureKey', () => {
  it('separates content from disruption', () => {
    const all = [featureKey('a'), featureKey('a', 'b'), featureKey('ab'), featureKey('a","b')];
    expect(new Set(all).size).toBe(4);
    expect(featureKey('a', '')).toBe(featureKey('a'));
    expect(() => featureKey('')).toThrow('featureKey expected a content hash, received an empty string');
  });

  it('tells images of one content and another shape apart', () => {
    const data = new Uint8Array(18);
    expect(hashContent({ width: 2, height: 3, data })).not.toBe(hashContent({ width: 3, height: 2, data }));
    expect(hashContent('a')).not.toBe(hashContent('b'));
  });
});
