import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { FolderStorage, publishByLock } from './folder-storage.js';

let outside: string;
let folder: string;
let storage: FolderStorage;
beforeEach(async () => {
  outside = await mkdtemp(join(tmpdir(), 'drf-storage-'));
  folder = join(outside, 'root');
  await mkdir(folder);
  storage = new FolderStorage(folder);
});
afterEach(() => rm(outside, { recursive: true }));

async function pathsOf(): Promise<string[]> {
  const paths: string[] = [];
  for await (const { path } of storage.list()) paths.push(path);
  return paths;
}

describe('links', () => {
  it('to files inside are files; others inside, and those to nowhere, are left out', async () => {
    await storage.write('posts/1.csv', '1');
    await symlink('posts/1.csv', join(folder, 'latest.csv'));
    await symlink('posts', join(folder, 'same'));
    await symlink('..', join(folder, 'posts', 'up'));
    await symlink('gone', join(folder, '.#lock'));
    expect(await pathsOf()).toEqual(['latest.csv', 'posts/1.csv']);
    expect((await storage.open('latest.csv')).bytes).toBe(1);
  });

  it('that lead out are refused, however they are met', async () => {
    await writeFile(join(outside, 'secret'), 'secret');
    await symlink('../secret', join(folder, 'link'));
    await symlink('..', join(folder, 'up'));
    await expect(pathsOf()).rejects.toThrow('one that leads outside');
    for (const path of ['link', 'up/secret', 'up/new']) {
      await expect(storage.find(path)).rejects.toThrow('one that leads outside');
      await expect(storage.open(path)).rejects.toThrow('one that leads outside');
      await expect(storage.write(path, '')).rejects.toThrow('one that leads outside');
      await expect(storage.remove(path)).rejects.toThrow('one that leads outside');
    }
    expect(await readdir(outside)).toEqual(['root', 'secret']);
    expect(await readFile(join(outside, 'secret'), 'utf8')).toBe('secret');
  });

  it('may be the root itself', async () => {
    await storage.write('1', '1');
    await symlink(folder, join(outside, 'link'));
    storage = new FolderStorage(join(outside, 'link'));
    expect(await pathsOf()).toEqual(['1']);
    expect(await storage.write('2', '2', { ifAbsent: true })).toBe(true);
  });
});

describe('writes', () => {
  it('that are killed are never listed, and leave what was there', async () => {
    await storage.write('file', 'before');
    const module = fileURLToPath(new URL('./folder-storage.ts', import.meta.url));
    const hook = fileURLToPath(new URL('../../../scripts/from-source.mjs', import.meta.url));
    const code = `
      const { FolderStorage } = await import(${JSON.stringify(module)});
      const storage = new FolderStorage(${JSON.stringify(folder)});
      const content = Buffer.alloc(256 * 1024 * 1024, 'x');
      process.stdout.write('begun');
      for (;;) await storage.write('file', content, { ifAbsent: false });`;
    const args = ['--conditions=source', '--import', hook, '--input-type=module', '--eval', code];
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
    await once(child.stdout, 'data');
    const isWriting = async (): Promise<boolean> => (await readdir(folder)).some((name) => name.startsWith('.drf-'));
    await expect.poll(isWriting, { timeout: 20_000, interval: 5 }).toBe(true);
    child.kill('SIGKILL');
    await once(child, 'exit');
    expect(await readdir(folder)).toHaveLength(2);
    expect(await pathsOf()).toEqual(['file']);
    expect([6, 256 * 1024 * 1024]).toContain((await storage.open('file')).bytes);
  });

  it('take the longest names', async () => {
    const name = 'n'.repeat(255);
    expect(await storage.write(name, '1', { ifAbsent: true })).toBe(true);
    expect(await pathsOf()).toEqual([name]);
  });

  it('of one name let one win where the file system has no links', async () => {
    const real = join(folder, 'unit');
    const racers = Array.from({ length: 8 }, (_, index) => join(outside, `racer-${index}`));
    await Promise.all(racers.map((racer) => writeFile(racer, racer)));
    const won = await Promise.all(racers.map((racer) => publishByLock(racer, real)));
    expect(won.filter((each) => each)).toHaveLength(1);
    expect(await readFile(real, 'utf8')).toBe(racers[won.indexOf(true)]);
    expect(await readdir(folder)).toEqual(['unit']);
  });

  it('say what is in the way', async () => {
    await writeFile(join(folder, 'file'), '');
    const message = `Writing ${join(folder, 'file', '1')} expected a folder with room and permission, received E`;
    await expect(storage.write('file/1', '1')).rejects.toThrow(message);
    await mkdir(join(folder, 'taken'));
    await expect(storage.write('taken', '1')).rejects.toThrow('check the path and its permissions');
    expect(await storage.find('taken')).toBeUndefined();
    expect(await storage.find('file/1')).toBeUndefined();
  });

  it.skipIf(process.getuid?.() === 0)('say what may not be read', async () => {
    await storage.write('secret/1', '1');
    await chmod(join(folder, 'secret'), 0);
    await expect(pathsOf()).rejects.toThrow(`Listing ${join(folder, 'secret')} expected`);
    await expect(storage.find('secret/1')).rejects.toThrow('EACCES');
    await chmod(join(folder, 'secret'), 0o700);
  });
});
