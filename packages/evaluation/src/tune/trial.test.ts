import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseExperiment, RunFolder } from '@drf/experiment';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import type { Surroundings } from '../grid/perform.js';
import { tinyWorld } from '../testing/tiny-world.js';
import { performTrial, prepareTrial } from './trial.js';

const config = parseExperiment(
  {
    name: 'tiny',
    engine: 'eager:cpu',
    dataset: { name: 'embedded', imageSize: 16 },
    model: { dim: 4, queueCapacity: 8, gaussianRank: 2, gateHidden: 2 },
    training: { epochs: 3, batchSize: 8, learningRate: 0.01 },
  },
  'tiny experiment',
);

let folder: string;
let around: Surroundings;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'drf-trial-'));
  const versions = { node: '', platform: '', packages: {}, git: null };
  const setting = { threads: 1, folder, cache: join(folder, 'cache'), split: 'val' as const, memoryBytes: 0, versions };
  around = { workspace: tinyWorld().workspace, setting, report: () => undefined };
});
afterAll(async () => {
  await around.workspace.dispose();
  await rm(folder, { recursive: true, force: true });
});

const checkpointOf = async (name: string): Promise<Buffer> =>
  readFile(await (await RunFolder.open(join(folder, name))).latestCheckpoint());

describe('a trial', () => {
  it('that goes on ends where one that never stopped ends', async () => {
    const parts: number[] = [];
    for (const epochs of [1, 2, 3]) {
      const { selected } = await performTrial({ config, folder: 'parts', epochs }, around);
      parts.push(selected.validation?.accuracy ?? NaN);
      expect(selected.epoch).toBeLessThanOrEqual(epochs);
    }
    const { selected } = await performTrial({ config, folder: 'whole', epochs: 3 }, around);
    expect(selected.validation).toMatchObject({ posts: 12, accuracy: parts[2] });
    expect(await checkpointOf('parts')).toEqual(await checkpointOf('whole'));
    const run = await RunFolder.open(join(folder, 'parts'));
    expect(await readFile(run.file('calibration.json'), 'utf8')).toContain('drf-calibration'); // a run like any other
  });

  it('asked for again says the same, and begins anew where its checkpoints are gone', async () => {
    const task = { config, folder: 'again', epochs: 1 };
    const { selected } = await performTrial(task, around);
    expect((await performTrial(task, around)).selected).toEqual(selected);
    await rm(join(folder, 'again', 'checkpoints'), { recursive: true });
    expect((await performTrial(task, around)).selected).toEqual(selected);
  });

  it('finds what it reads encoded', async () => {
    const told: string[] = [];
    const { unreadable } = await prepareTrial(config, { ...around, report: ({ what }) => void told.push(what) });
    expect(unreadable).toEqual([]);
    expect(told).toContain('encoding images');
  });

  it('leaves nothing open where encoding breaks off', async () => {
    const { workspace } = around;
    const session = await workspace.session(config);
    const dispose = vi.fn(() => Promise.resolve());
    const spy = vi.spyOn(workspace, 'session').mockResolvedValue({ ...session, dispose });
    try {
      await expect(prepareTrial({ ...config, seed: 5 }, { ...around, signal: AbortSignal.abort() })).rejects.toThrow();
      expect(dispose).toHaveBeenCalledOnce();
    } finally {
      spy.mockRestore();
    }
  });
});
