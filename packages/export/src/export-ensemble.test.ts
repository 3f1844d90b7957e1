import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileHash, readEnsemble, writeEnsemble } from '@drf/files';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { exportEnsemble } from './export-ensemble.js';
import { makeTinyRun } from './testing/tiny-run.js';

describe('exporting an ensemble', () => {
  let folder: string;
  let runs: string[];
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'drf-export-ensemble-'));
    runs = [];
    for (const name of ['one', 'two', 'three']) runs.push((await makeTinyRun(join(folder, name))).path);
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  it('writes each member and lists them with the hashes of their models', async () => {
    const out = join(folder, 'out');
    const { members } = await exportEnsemble(runs, { out });
    expect(await readdir(out)).toEqual(['ensemble.json', 'member1', 'member2', 'member3']);
    const listed = (await readEnsemble(out)) ?? [];
    expect(listed.map((member) => member.folder)).toEqual([1, 2, 3].map((i) => join(out, `member${i}`)));
    expect(listed[1]?.sha256).toBe(await fileHash(join(out, 'member2', 'head.onnx')));
    expect(members).toHaveLength(3);

    await expect(exportEnsemble(runs, { out })).rejects.toThrow('use --overwrite');
    await exportEnsemble(runs.slice(1), { out, overwrite: true });
    expect(await readdir(out)).toEqual(['ensemble.json', 'member1', 'member2']); // nothing is left of a larger one
  });

  it('takes an ensemble’s runs, unless one was changed', async () => {
    const sha256 = await fileHash(join(runs[0] as string, 'checkpoints', 'step-3.safetensors'));
    const listed = runs.slice(0, 2).map((run) => ({ folder: run, sha256 }));
    await writeEnsemble(folder, listed);
    const { members } = await exportEnsemble([folder, runs[2] as string], { out: join(folder, 'three-of-them') });
    expect(members).toHaveLength(3);
    await writeEnsemble(folder, [listed[0] as (typeof listed)[number], { folder: runs[1] as string, sha256: '0'.repeat(64) }]); // prettier-ignore
    await expect(exportEnsemble([folder], { out: join(folder, 'changed') })).rejects.toThrow('weights of SHA-256 000');
  });

  it('refuses what makes no ensemble, and leaves other files alone', async () => {
    const out = join(folder, 'refused');
    await expect(exportEnsemble(runs.slice(0, 1), { out })).rejects.toThrow('expected several runs');
    await expect(exportEnsemble(runs, { out, checkpoint: 'x' })).rejects.toThrow('export that run alone');
    await expect(exportEnsemble(runs, { out, headOnly: true })).rejects.toThrow('received heads alone');
    await exportEnsemble(runs.slice(1), { out });
    await writeFile(join(out, 'mine.txt'), '');
    await expect(exportEnsemble(runs, { out, overwrite: true })).rejects.toThrow('other files (mine.txt)');
    expect(await readdir(out)).toContain('member1');
  });
});
