import { execFile } from 'node:child_process';
import { chmod, lstat, mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import type * as FilePromises from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { DataError } from '@drf/tensor';
import { removeTemporaries, writeFileAtomic, writeJsonAtomic } from './index.js';

// The seam: the function that puts the content into the temporary file.
const disk = vi.hoisted(() => ({ full: false }));
vi.mock('node:fs/promises', async (importOriginal) => {
  const actual = await importOriginal<typeof FilePromises>();
  const writeUntilFull: typeof actual.writeFile = async (file, data, options) => {
    if (!disk.full) return actual.writeFile(file, data, options);
    await actual.writeFile(file, (data as Uint8Array | string).slice(0, 2));
    throw Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC' });
  };
  return { ...actual, writeFile: writeUntilFull };
});

let folder: string;
beforeEach(async () => {
  disk.full = false;
  folder = await mkdtemp(join(tmpdir(), 'drf-atomic-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

describe('writeFileAtomic', () => {
  it('makes folders as needed and writes text as UTF-8', async () => {
    const path = join(folder, 'a', 'b', 'note.txt');
    await writeFileAtomic(path, 'grün 😀');
    expect(await readFile(path, 'utf8')).toBe('grün 😀');
  });

  it('writes bytes, of a part of a larger buffer too', async () => {
    const path = join(folder, 'bytes');
    await writeFileAtomic(path, Uint8Array.of(0, 1, 2, 3, 255).subarray(2, 5));
    expect([...(await readFile(path))]).toEqual([2, 3, 255]);
  });

  it('replaces a longer file whole, keeps its permissions, and leaves nothing beside it', async () => {
    const path = join(folder, 'note.txt');
    await writeFileAtomic(path, 'a long first version');
    await chmod(path, 0o640);
    await writeFileAtomic(path, 'short');
    expect(await readFile(path, 'utf8')).toBe('short');
    expect((await stat(path)).mode & 0o777).toBe(0o640);
    expect(await readdir(folder)).toEqual(['note.txt']);
  });

  it('writes an empty file', async () => {
    await writeFileAtomic(join(folder, 'empty'), '');
    expect((await stat(join(folder, 'empty'))).size).toBe(0);
  });

  it('replaces a link, and leaves what it leads to alone', async () => {
    await writeFile(join(folder, 'real'), 'old');
    for (const target of ['real', 'nothing']) {
      await symlink(join(folder, target), join(folder, 'link'));
      await writeFileAtomic(join(folder, 'link'), 'new');
      expect((await lstat(join(folder, 'link'))).isFile()).toBe(true);
      await rm(join(folder, 'link'));
    }
    expect(await readFile(join(folder, 'real'), 'utf8')).toBe('old');
    expect(await readdir(folder)).toEqual(['real']);
  });

  it('does not take a device for a file', async () => {
    await symlink('/dev/null', join(folder, 'link'));
    await expect(writeFileAtomic(join(folder, 'link'), 'new')).rejects.toThrow(/leads to a folder or device/);
    expect((await lstat(join(folder, 'link'))).isSymbolicLink()).toBe(true);
  });

  it('leaves temporaries that can be told and removed', async () => {
    for (const name of ['a.json', 'a.json.123', 'a.json.4232770960', 'b.json.1', 'a.json.x']) await writeFile(join(folder, name), ''); // prettier-ignore
    await removeTemporaries(folder, (name) => name === 'a.json');
    await removeTemporaries(join(folder, 'none'), () => true);
    expect((await readdir(folder)).sort()).toEqual(['a.json', 'a.json.x', 'b.json.1']);
  });

  it('gives one of the versions, whole, when several write at once', async () => {
    const path = join(folder, 'contended');
    const versions = Array.from({ length: 8 }, (_, i) => String(i).repeat(100_000));
    await Promise.all(versions.map((version) => writeFileAtomic(path, version)));
    expect(versions).toContain(await readFile(path, 'utf8'));
    expect(await readdir(folder)).toEqual(['contended']);
  });

  it('keeps the old file when the disk is full, and says so', async () => {
    const path = join(folder, 'step-12.safetensors');
    await writeFileAtomic(path, 'the old checkpoint');
    disk.full = true;
    const error = await writeFileAtomic(path, 'the new checkpoint').catch((caught: unknown) => caught as Error);
    expect(error).toBeInstanceOf(DataError);
    expect((error as Error).message).toBe(
      `Writing ${path} expected a folder with room and permission, ` +
        'received ENOSPC: ENOSPC: no space left on device, write; free some disk space; the former file was kept',
    );
    expect((error as Error).cause).toMatchObject({ code: 'ENOSPC' });
    expect(await readFile(path, 'utf8')).toBe('the old checkpoint');
    expect(await readdir(folder)).toEqual(['step-12.safetensors']);
  });

  it('leaves no new file when the disk is full', async () => {
    disk.full = true;
    await expect(writeFileAtomic(join(folder, 'new'), 'content')).rejects.toThrow('free some disk space');
    expect(await readdir(folder)).toEqual([]);
  });

  it('names path and remedy when the path cannot be written', async () => {
    await writeFile(join(folder, 'file'), '');
    const below = join(folder, 'file', 'child');
    await expect(writeFileAtomic(below, 'x')).rejects.toThrow(
      new RegExp(
        `Writing ${below} expected a folder with room .* received E(NOTDIR|EXIST).*check the path and its permissions`,
      ),
    );
    await mkdir(join(folder, 'directory', 'full'), { recursive: true });
    await expect(writeFileAtomic(join(folder, 'directory'), 'x')).rejects.toThrow(/received EISDIR|received ENOTEMPTY/);
  });

  it.skipIf(process.platform === 'win32')(
    'never leaves part of a file where the system cuts a write short (real limit on file size; not on Windows)',
    async () => {
      const path = join(folder, 'limited');
      await writeFileAtomic(path, 'old');
      const index = fileURLToPath(new URL('./index.ts', import.meta.url));
      const loader = fileURLToPath(new URL('../../../scripts/from-source.mjs', import.meta.url));
      const script = `process.on('SIGXFSZ', () => {}); // else the limit ends the process
        import { writeFileAtomic } from ${JSON.stringify(index)};
        await writeFileAtomic(${JSON.stringify(path)}, 'x'.repeat(3e6)).catch((error) => console.log(error.message));`;
      const command = 'ulimit -f 2000; exec "$0" --conditions=source --import "$1" --input-type=module --eval "$2"';
      const { stdout } = await promisify(execFile)('/bin/sh', ['-c', command, process.execPath, loader, script]);
      expect(stdout).toContain(`Writing ${path} expected a folder with room and permission, received EFBIG`);
      expect(await readFile(path, 'utf8')).toBe('old');
      expect(await readdir(folder)).toEqual(['limited']);
    },
  );
});

describe('writeJsonAtomic', () => {
  it('writes indented JSON with a closing newline', async () => {
    await writeJsonAtomic(join(folder, 'a.json'), { b: [1] });
    expect(await readFile(join(folder, 'a.json'), 'utf8')).toBe('{\n  "b": [\n    1\n  ]\n}\n');
  });
});
