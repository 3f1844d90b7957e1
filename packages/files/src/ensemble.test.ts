import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeEach, describe, expect, it } from 'vitest';
import { readEnsemble, readJson, withMembers, writeEnsemble } from './index.js';

const made: string[] = [];
let folder: string;
beforeEach(async () => void made.push((folder = await mkdtemp(join(tmpdir(), 'drf-ensemble-')))));
afterAll(() => Promise.all(made.map((path) => rm(path, { recursive: true, force: true }))));

const [one, two] = ['1'.repeat(64), '2'.repeat(64)];

describe('an ensemble', () => {
  it('lists its members by paths relative to it, and gives them back', async () => {
    const members = [
      { folder: join(folder, 'fold1'), sha256: one },
      { folder: join(folder, 'more', 'fold2'), sha256: two },
    ];
    const path = await writeEnsemble(folder, members);
    expect(await readJson(path)).toEqual({
      format: 'drf-ensemble/1',
      members: [
        { path: 'fold1', sha256: one },
        { path: 'more/fold2', sha256: two },
      ],
    });
    expect(await readEnsemble(folder)).toEqual(members);
  });

  it('is not any other folder', async () => {
    expect(await readEnsemble(folder)).toBeUndefined();
    expect(await readEnsemble(join(folder, 'nowhere'))).toBeUndefined();
  });

  it('counts each member as a folder that is named alone', async () => {
    await writeEnsemble(folder, [{ folder: join(folder, 'a'), sha256: one }]);
    expect(await withMembers(['run', folder])).toEqual([{ folder: 'run' }, { folder: join(folder, 'a'), sha256: one }]);
  });

  it('has no members outside of it', async () => {
    await expect(writeEnsemble(folder, [{ folder: tmpdir(), sha256: one }])).rejects.toThrow(
      'expected members below it',
    );
    await expect(writeEnsemble(folder, [{ folder, sha256: one }])).rejects.toThrow('expected members below it');
    const write = (path: string): Promise<void> =>
      writeFile(
        join(folder, 'ensemble.json'),
        JSON.stringify({ format: 'drf-ensemble/1', members: [{ path, sha256: one }] }),
      );
    await write('../elsewhere');
    await expect(readEnsemble(folder)).rejects.toThrow('leads outside');
    await symlink(tmpdir(), join(folder, 'link'));
    await write('link');
    await expect(readEnsemble(folder)).rejects.toThrow('leads outside');
    await symlink('.', join(folder, 'itself'));
    for (const path of ['.', 'a/..', 'itself']) {
      await write(path);
      await expect(readEnsemble(folder)).rejects.toThrow('which is the folder itself');
    }
  });

  it('has each member once, by whichever name', async () => {
    await mkdir(join(folder, 'a'));
    await symlink('a', join(folder, 'b'));
    const members = ['a', 'b'].map((path) => ({ path, sha256: one }));
    await writeFile(join(folder, 'ensemble.json'), JSON.stringify({ format: 'drf-ensemble/1', members }));
    await expect(readEnsemble(folder)).rejects.toThrow('expected each member once, since all count the same, received "b" again'); // prettier-ignore
  });

  it.each([
    [{ format: 'drf-ensemble/9', members: [] }, 'option "format" expected one of drf-ensemble/1'],
    [{ format: 'drf-ensemble/1', members: [] }, 'option "members" expected at least 1'],
    [{ format: 'drf-ensemble/1', members: [{ path: 'a', sha256: 'x' }] }, 'a SHA-256 in hexadecimal'],
    [{ format: 'drf-ensemble/1', members: [{ path: 'a', sha256: one, weight: 2 }] }, 'received "members.0.weight"'],
    [7, 'ensemble.json'],
  ])('refuses %j', async (content, message) => {
    await mkdir(folder, { recursive: true });
    await writeFile(join(folder, 'ensemble.json'), JSON.stringify(content));
    await expect(readEnsemble(folder)).rejects.toThrow(message);
  });
});
