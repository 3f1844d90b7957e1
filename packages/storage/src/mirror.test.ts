import { appendFile, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { Storage } from '@drf/files';
import { FolderStorage } from './folder-storage.js';
import { FolderMirror } from './mirror.js';

let root: string;
let folder: string;
let storage: FolderStorage;
/** What was done to the storage, in order. */
let done: string[];
let failing: string | undefined;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'drf-mirror-'));
  folder = join(root, 'run');
  storage = new FolderStorage(join(root, 'there'));
  [done, failing] = [[], undefined];
  const local = new FolderStorage(folder);
  for (const path of ['best.json', 'checkpoints/1', 'metrics', 'run.lock']) await local.write(path, path);
});
afterEach(() => rm(root, { recursive: true }));

function start(isCopy = false): Promise<FolderMirror> {
  const watched: Storage = {
    location: storage.location,
    folder: storage.folder,
    list: (below) => storage.list(below),
    find: (path) => storage.find(path),
    open: (path, version) => storage.open(path, version),
    write: async (path, content) => {
      if (path === failing) throw new Error('no network');
      const written = await storage.write(path, content);
      done.push(path);
      return written;
    },
    remove: async (path) => {
      await storage.remove(path);
      done.push(`not ${path}`);
    },
  };
  return FolderMirror.start(folder, watched, isCopy, {
    isIgnored: (path) => path === 'run.lock',
    rankOf: (path) => Number(path === 'best.json'),
  });
}

it('writes what changed, files that name others last, and removes what is gone', async () => {
  await storage.write('checkpoints/0', 'of another run');
  const mirror = await start();
  await mirror.update();
  expect(done.slice(0, 2).sort()).toEqual(['checkpoints/1', 'metrics']);
  expect(done.slice(2)).toEqual(['best.json', 'not checkpoints/0']);

  done = [];
  await mirror.update();
  expect(done).toEqual([]);

  await appendFile(join(folder, 'metrics'), ', and more');
  await rm(join(folder, 'checkpoints', '1'));
  await Promise.all([mirror.update(), mirror.update()]);
  expect(done).toEqual(['metrics', 'not checkpoints/1']);
  expect((await storage.open('metrics')).bytes).toBe('metrics, and more'.length);
});

it('makes up for what failed, and names nothing that is not there', async () => {
  const mirror = await start();
  failing = 'checkpoints/1';
  await expect(mirror.update()).rejects.toThrow('no network');
  expect(done).toEqual(['metrics']);
  failing = undefined;
  await mirror.update();
  expect(done).toEqual(['metrics', 'checkpoints/1', 'best.json']);
});

it('of a copy writes changes only', async () => {
  await (await start()).update();
  done = [];
  const mirror = await start(true);
  await mirror.update();
  expect(done).toEqual([]);
  await writeFile(join(folder, 'best.json'), 'another');
  await mirror.update();
  expect(done).toEqual(['best.json']);
});
