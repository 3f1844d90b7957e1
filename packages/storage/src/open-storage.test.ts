import { mkdir, mkdtemp, readdir, readFile, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { localCopy, openLocation, openStorage } from './index.js';
import { pointClientAt, startS3Server, type S3TestServer } from './testing/index.js';

let server: S3TestServer;
let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'drf-storage-'));
  server = await startS3Server();
  pointClientAt(server);
});
afterEach(async () => {
  vi.unstubAllEnvs();
  await server.close();
  await rm(folder, { recursive: true });
});

function put(key: string, body: string | Buffer): void {
  server.objects.set(`bucket/${key}`, { body: Buffer.from(body), metadata: {} });
}

describe('openStorage', () => {
  it.each([
    ['s3://', 'no bucket'],
    ['s3:///runs', 'no bucket'],
    ['s3://b ucket/runs', 'the bucket "b ucket"'],
    ['s3://bucket/a/../b', 'a prefix of plain names'],
    ['s3://bucket//b', 'a prefix of plain names'],
    ['gs://bucket/runs', 'the scheme gs'],
    ['S3://bucket/runs', 'the scheme S3'],
  ])('refuses %s', async (location, message) => {
    await expect(openStorage(location)).rejects.toThrow(`Location "${location}" expected`);
    await expect(openStorage(location)).rejects.toThrow(message);
    await expect(openLocation(location)).rejects.toThrow(message);
  });

  it('takes all else for folders', async () => {
    expect((await openStorage('runs')).folder).toBe(join(process.cwd(), 'runs'));
    expect((await openStorage('C:\\runs')).folder).not.toBeNull();
    const { location, folder: none } = await openStorage('s3://bucket/runs//');
    expect([location, none]).toEqual(['s3://bucket/runs', null]);
  });
});

describe('openLocation', () => {
  it('tells files from folders, and takes what is not there for a folder', async () => {
    await mkdir(join(folder, 'posts'));
    await writeFile(join(folder, 'posts', '1.csv'), '');
    for (const [location, at, path] of [
      ['posts/1.csv', 'posts', '1.csv'],
      ['posts', 'posts', ''],
      ['posts/', 'posts', ''],
      ['none', 'none', ''],
    ] as const) {
      const opened = await openLocation(`${folder}/${location}`);
      expect([opened.storage.location, opened.path]).toEqual([join(folder, at), path]);
    }
  });

  it('tells objects from prefixes', async () => {
    put('posts/1.csv', '');
    put('top.csv', '');
    put('both', '');
    put('both/1', '');
    for (const [location, at, path] of [
      ['s3://bucket/posts/1.csv', 's3://bucket/posts', '1.csv'],
      ['s3://bucket/posts', 's3://bucket/posts', ''],
      ['s3://bucket/top.csv', 's3://bucket', 'top.csv'],
      ['s3://bucket/both', 's3://bucket', 'both'],
      ['s3://bucket/both/', 's3://bucket/both', ''],
      ['s3://bucket', 's3://bucket', ''],
      ['s3://bucket/none', 's3://bucket/none', ''],
    ] as const) {
      const opened = await openLocation(location);
      expect([opened.storage.location, opened.path]).toEqual([at, path]);
    }
  });
});

describe('localCopy', () => {
  const copied = async (location = 's3://bucket/run', options = {}): Promise<string> =>
    localCopy(location, { cache: join(folder, 'cache'), ...options });

  it('of a folder is the folder', async () => {
    expect(await copied(folder)).toBe(folder);
  });

  it('is made once, and again when something has changed', async () => {
    put('run/config.json', '{}');
    put('run/checkpoints/1.safetensors', Buffer.alloc(20_000_000, 'weights'));
    put('run-of-others/config.json', '');
    const progress = vi.fn();
    const copy = await copied('s3://bucket/run', { onProgress: progress });
    expect((await readdir(copy, { recursive: true })).sort()).toEqual(['checkpoints', 'checkpoints/1.safetensors', 'config.json']); // prettier-ignore
    expect((await readFile(join(copy, 'checkpoints', '1.safetensors'))).equals(Buffer.alloc(20_000_000, 'weights'))).toBe(true); // prettier-ignore
    expect(progress).toHaveBeenLastCalledWith(20_000_002, 20_000_002);

    server.requests.length = 0;
    expect(await copied()).toBe(copy);
    expect(server.requests).toHaveLength(1);

    put('run/config.json', '[]');
    const next = await copied();
    expect(next).not.toBe(copy);
    expect(await readFile(join(next, 'config.json'), 'utf8')).toBe('[]');
  });

  it('is made whole by one of many at once', async () => {
    put('run/config.json', '{}');
    const copies = await Promise.all(Array.from({ length: 5 }, () => copied()));
    expect(new Set(copies).size).toBe(1);
    expect(await readdir(join(folder, 'cache', 'copies'))).toHaveLength(1);
  });

  it.each([
    ['a key that leads out', () => put('run/../../evil', ''), {}, 'keys that are paths'],
    ['nothing there', () => server.objects.clear(), {}, 'nothing there'],
    ['too much', () => undefined, { maximumBytes: 1 }, 'at most 100000 files of 1 bytes together'],
    ['a change on the way', () => { server.before = ({ headers }) => void (headers.range && put('run/2', 'new')); }, {}, 'changed'], // prettier-ignore
    ['a file where a folder is', () => put('run/2/3', ''), {}, 'E'],
    ['an interruption', () => undefined, { signal: AbortSignal.abort(new Error('stopped')) }, 'stopped'],
  ])('is not made at all for %s', async (_, prepare, options, message) => {
    put('run/1', 'one');
    put('run/2', 'two');
    prepare();
    await expect(copied('s3://bucket/run', options)).rejects.toThrow(message);
    expect(await readdir(join(folder, 'cache', 'copies')).catch(() => [])).toEqual([]);
    expect((await readdir(folder)).filter((name) => name !== 'cache')).toEqual([]);
  });

  it('takes away what killed downloads left a day ago', async () => {
    put('run/1', 'one');
    const names = [
      '.00000000-0000-4000-8000-000000000000.temporary',
      '.00000000-0000-4000-8000-000000000001.temporary',
    ];
    const [forgotten = '', fresh = ''] = names.map((name) => join(folder, 'cache', 'copies', name));
    for (const path of [forgotten, fresh]) await mkdir(path, { recursive: true });
    await utimes(forgotten, 0, 0);
    await copied();
    const left = (await readdir(join(folder, 'cache', 'copies'))).filter((name) => name.endsWith('.temporary'));
    expect(left).toEqual([names[1]]);
  });
});
