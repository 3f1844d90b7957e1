import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { writeTinyBert, writeTinyVit } from '@drf/encoders/testing';
import { dryRun } from './dry-run.js';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'drf-dry-run-'));
});
afterEach(() => rm(folder, { recursive: true }));

describe('train --dry-run', () => {
  it('refuses what it does not measure, and says what to do', async () => {
    const options = { cache: join(folder, 'cache') };
    await expect(dryRun('quickstart-smoke', { ...options, distributed: 'mpi' })).rejects.toThrow(
      /--dry-run expected a new training in one process.*received --distributed; leave it out: N ranks/,
    );
    await expect(dryRun(undefined, { ...options, resume: 'runs/mine' })).rejects.toThrow(
      /received --resume; leave it out/,
    );
    await expect(dryRun('quickstart-smoke', { ...options, stopAfter: 1 })).rejects.toThrow(
      /received --stop-after; leave it out, or set --training.epochs/,
    );
    await expect(dryRun('quickstart-smoke', { ...options, 'dataset.fold': 'all' })).rejects.toThrow(
      /--dataset.folds 5/,
    );
  });

  it('refuses a folder that a training could not use', async () => {
    const out = join(folder, 'taken');
    await mkdir(out);
    await writeFile(join(out, 'letter.txt'), 'mine');
    await expect(dryRun('quickstart-smoke', { cache: join(folder, 'cache'), out })).rejects.toThrow(
      /Run folder .*taken expected a new or empty folder, received other files/,
    );
  });

  it('prints JSON and writes nothing', async () => {
    const print = vi.spyOn(process.stdout, 'write').mockReturnValue(true);
    const options = { cache: join(folder, 'cache'), out: join(folder, 'run'), json: true };
    const encoders = await mkdtemp(join(folder, 'encoders-'));
    await dryRun('quickstart-smoke', {
      ...options,
      engine: 'eager:cpu',
      method: 'concatenation',
      'dataset.limit': '6',
      'dataset.image-size': '16',
      'encoders.image': `huggingface:${await writeTinyVit(join(encoders, 'vit'))}`,
      'encoders.text': `huggingface:${await writeTinyBert(join(encoders, 'bert'))}`,
    });
    const [[text] = []] = print.mock.calls;
    print.mockRestore();
    expect(JSON.parse(String(text))).toMatchObject({
      posts: { train: 6, val: 6 },
      steps: 2,
      encoding: [
        { kind: 'features', modality: 'image', cached: 0 },
        { kind: 'features', modality: 'text', cached: 0 },
      ],
    });
    expect(await readdir(folder)).toEqual([basename(encoders)]);
  });
});
