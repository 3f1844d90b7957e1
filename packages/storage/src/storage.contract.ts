import { randomUUID } from 'node:crypto';
import { mkdtemp, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Storage } from '@drf/files';
import { openStorage } from './open-storage.js';

/** Larger than what is written at once. */
const LARGE_BYTES = 20 * 1024 * 1024 + 3;

async function collect<Item>(items: AsyncIterable<Item>): Promise<Item[]> {
  const all: Item[] = [];
  for await (const item of items) all.push(item);
  return all;
}

async function pathsOf(storage: Storage, below?: string): Promise<string[]> {
  return (await collect(storage.list(below))).map(({ path }) => path);
}

/**
 * What every storage does, wherever its files are.
 * @param newLocation gives a location where nothing is, below which the tests write
 * @param racing says why a race of writers tells nothing here, where it does not
 */
export function describeStorageContract(
  name: string,
  newLocation: () => string,
  racing?: () => string | undefined,
): void {
  describe(`storage contract: ${name}`, () => {
    let storage: Storage;
    let folder: string;
    beforeAll(async () => {
      folder = await mkdtemp(join(tmpdir(), 'drf-storage-'));
    });
    beforeEach(async () => {
      storage = await openStorage(newLocation());
    });
    afterAll(() => rm(folder, { recursive: true }));

    const large = (): Buffer => Buffer.alloc(LARGE_BYTES, 'posts and images, ');

    it('holds nothing at first', async () => {
      expect(await pathsOf(storage)).toEqual([]);
      expect(await pathsOf(storage, 'posts')).toEqual([]);
      expect(await storage.find('posts/1.csv')).toBeUndefined();
      await expect(storage.open('posts/1.csv')).rejects.toThrow('nothing there');
      await storage.remove('posts/1.csv');
    });

    it('gives back what was written: texts, bytes, nothing and local files', async () => {
      const local = join(folder, 'local');
      await writeFile(local, 'of a file');
      for (const [path, content, expected] of [
        ['text', 'höflich 😀', 'höflich 😀'],
        ['bytes/1', Buffer.from([0, 255, 10]), Buffer.from([0, 255, 10]).toString('latin1')],
        ['nothing', '', ''],
        ['a/b/c/file', { file: local }, 'of a file'],
      ] as const) {
        expect(await storage.write(path, content)).toBe(true);
        const file = await storage.open(path);
        const read = Buffer.from(await file.read(0, file.bytes));
        expect(read.toString(path.startsWith('bytes') ? 'latin1' : 'utf8')).toBe(expected);
        expect(await storage.find(path)).toEqual({ path, bytes: read.length, version: file.version });
        expect(Buffer.concat(await collect(file.stream()))).toEqual(read);
      }
    });

    it('reads ranges, and to the end where they go past it', async () => {
      await storage.write('digits', '0123456789');
      const file = await storage.open('digits');
      const read = async (start: number, end: number): Promise<string> =>
        Buffer.from(await file.read(start, end)).toString();
      expect(await read(3, 6)).toBe('345');
      expect(await read(8, 30)).toBe('89');
      expect(await read(10, 20)).toBe('');
      expect(await read(50, 60)).toBe('');
      expect(await read(4, 4)).toBe('');
      expect(Buffer.concat(await collect(file.stream(7, 30))).toString()).toBe('789');
      expect(await collect(file.stream(10))).toEqual([]);
    });

    it('lists in the order of code points, below folders only', async () => {
      const paths = ['a-b', 'a.csv', 'a/1', 'a/b/2', 'ab', 'z', 'ä', '.hidden', 'a b+c&d=1%20.txt', '\uff01', '😀'];
      for (const path of paths) await storage.write(path, path);
      const sorted = paths.map((path) => Buffer.from(path)).sort((one, other) => one.compare(other));
      expect(await pathsOf(storage)).toEqual(sorted.map(String));
      expect(await pathsOf(storage, 'a')).toEqual(['a/1', 'a/b/2']);
      expect(await pathsOf(storage, 'a.csv')).toEqual([]);
      for (const { path, bytes, version } of await collect(storage.list())) {
        expect({ bytes }).toEqual({ bytes: Buffer.byteLength(path) });
        const file = await storage.open(path, version);
        expect(Buffer.from(await file.read(0, 99)).toString()).toBe(path);
      }
    });

    it('takes a path as a folder would, and refuses one that leads out or is none', async () => {
      await storage.write('./a/../b', 'here');
      expect(await pathsOf(storage)).toEqual(['b']);
      expect(await storage.find('b')).toEqual(await storage.find('x/../b'));
      const wrong = ['', '.', '..', '../b', 'a/../../b', '/b', 'a//b', 'a/', 'a\\b', 'a\0b', 'x'.repeat(1025)];
      for (const path of wrong) {
        const message = `a path below ${storage.location}`;
        await expect(storage.write(path, '')).rejects.toThrow(message);
        await expect(storage.find(path)).rejects.toThrow(message);
        await expect(storage.open(path)).rejects.toThrow(message);
        await expect(storage.remove(path)).rejects.toThrow(message);
        if (path !== '') await expect(pathsOf(storage, path)).rejects.toThrow(message);
      }
    });

    it.each([
      ['changed', (one: Storage) => one.write('file', 'another'), 'a changed one'],
      ['changed to one of its size', (one: Storage) => one.write('file', 'ONE'), 'a changed one'],
      ['removed', (one: Storage) => one.remove('file'), 'nothing there'],
    ])('reads no file that was %s after it was opened', async (_, change, message) => {
      await storage.write('file', 'one');
      const file = await storage.open('file');
      expect((await storage.open('file', file.version)).bytes).toBe(3);
      await change(storage);
      await expect(file.read(0, 3)).rejects.toThrow(`${file.name} expected`);
      await expect(file.read(0, 3)).rejects.toThrow(message);
      await expect(collect(file.stream())).rejects.toThrow(message);
      await expect(storage.open('file', file.version)).rejects.toThrow(message);
    });

    it('leaves with ifAbsent what is there', async () => {
      expect(await storage.write('unit/1', 'first', { ifAbsent: true })).toBe(true);
      expect(await storage.write('unit/1', 'second', { ifAbsent: true })).toBe(false);
      expect((await storage.open('unit/1')).bytes).toBe('first'.length);
      expect(await storage.write('unit/1', 'third time')).toBe(true);
      expect((await storage.open('unit/1')).bytes).toBe('third time'.length);
    });

    it('lets one of many win with ifAbsent', async (context) => {
      const reason = racing?.();
      context.skip(reason !== undefined, reason);
      const racers = Array.from({ length: 12 }, (_, index) => `racer ${index}`);
      const won = await Promise.all(racers.map((racer) => storage.write('unit/2', racer, { ifAbsent: true })));
      expect(won.filter((each) => each)).toHaveLength(1);
      const winner = await storage.open('unit/2');
      expect(Buffer.from(await winner.read(0, 99)).toString()).toBe(racers[won.indexOf(true)]);
      expect(await pathsOf(storage)).toEqual(['unit/2']);
    });

    it('writes large content and local files whole, also with ifAbsent', async () => {
      const local = join(folder, 'large');
      await writeFile(local, large());
      expect(await storage.write('large/1', large())).toBe(true);
      expect(await storage.write('large/2', { file: local }, { ifAbsent: true })).toBe(true);
      expect(await storage.write('large/2', { file: local }, { ifAbsent: true })).toBe(false);
      await truncate(local, LARGE_BYTES - 1);
      expect(await storage.write('large/1', { file: local })).toBe(true);
      for (const [path, bytes] of [
        ['large/1', LARGE_BYTES - 1],
        ['large/2', LARGE_BYTES],
      ] as const) {
        // prettier-ignore
        const file = await storage.open(path);
        expect(file.bytes).toBe(bytes);
        expect(
          large()
            .subarray(0, bytes)
            .equals(Buffer.concat(await collect(file.stream()))),
        ).toBe(true);
        expect(
          large()
            .subarray(5, bytes)
            .equals(await file.read(5, LARGE_BYTES)),
        ).toBe(true);
      }
    });

    it('lets one of many large writes win', async (context) => {
      const reason = racing?.();
      context.skip(reason !== undefined, reason);
      const racers = Array.from({ length: 3 }, (_, index) => Buffer.alloc(LARGE_BYTES, `${index}`));
      const won = await Promise.all(racers.map((racer) => storage.write('large', racer, { ifAbsent: true })));
      expect(won.filter((each) => each)).toHaveLength(1);
      const winner = await storage.open('large');
      expect(Buffer.from(await winner.read(0, 99))).toEqual(racers[won.indexOf(true)]?.subarray(0, 99));
    });

    it('refuses to write what is no local file, and leaves nothing behind', async () => {
      const missing = join(folder, randomUUID());
      await expect(storage.write('file', { file: missing })).rejects.toThrow(`${missing} expected a file`);
      expect(await pathsOf(storage)).toEqual([]);
    });
  });
}
