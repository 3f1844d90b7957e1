import { appendFile, mkdtemp, readdir, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import { RunFolder, parseExperiment, simulationOptions, type MetricRow } from './index.js';

const step = (number: number): MetricRow => ({
  type: 'step',
  step: number,
  epoch: 0,
  total: 1,
  parts: {},
  learningRate: 1,
});

describe('RunFolder', () => {
  let root: string;
  let run: RunFolder;
  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), 'drf-run-'));
    run = await RunFolder.create(join(root, 'run'), { overwrite: false });
  });

  const describeRun = async (): Promise<void> =>
    run.writeDescription({
      config: parseExperiment({ name: 'x', dataset: { name: 'embedded' } }, 'x'),
      classes: ['a', 'b'],
      encoders: { image: 'i', text: 't' },
      shapes: { imageDim: 3, textDim: 2, classes: 2 },
      engine: 'eager:cpu',
      versions: { node: 'v20', platform: 'linux', packages: {}, git: null },
      createdAt: '2026-01-01T00:00:00.000Z',
    });

  it('never overwrites a run unasked, and never another folder', async () => {
    await describeRun();
    await expect(RunFolder.create(run.path, { overwrite: false })).rejects.toThrow(/received a run; use --resume/);
    await RunFolder.create(run.path, { overwrite: true });
    expect(await readdir(run.path)).toEqual(['checkpoints']);
    await writeFile(join(root, 'precious.txt'), 'x');
    await expect(RunFolder.create(root, { overwrite: true })).rejects.toThrow(
      /received other files; choose another --out/,
    );
  });

  it('says when a folder is no run, or has no checkpoint yet', async () => {
    await expect(RunFolder.open(root)).rejects.toThrow(/a folder that training made/);
    await expect(run.latestCheckpoint()).rejects.toThrow(/a checkpoint in checkpoints/);
  });

  it('reads its description back and refuses a damaged one', async () => {
    await describeRun();
    expect((await run.readDescription()).config.training.batchSize).toBe(16);
    await writeFile(run.file('config.json'), '{"config": {}}');
    await expect(run.readDescription()).rejects.toThrow(/config, classes and shapes of a run, received keys config/);
    await writeFile(run.file('config.json'), '{"config": ');
    await expect(run.readDescription()).rejects.toThrow(/valid JSON/);
  });

  it('takes a run of before there was a better drf for one of the paper’s', async () => {
    await describeRun();
    expect((await run.readDescription()).config.method).toBe('drf');
    const saved = JSON.parse(await readFile(run.file('config.json'), 'utf8')) as { config: { model: object } };
    delete (saved.config.model as { gaussianRank?: number }).gaussianRank;
    await writeFile(run.file('config.json'), JSON.stringify(saved));
    const { config } = await run.readDescription();
    expect([config.method, simulationOptions(config).share]).toEqual(['drf-paper', 0]);
  });

  it('takes the compared methods’ width by its former name', async () => {
    await describeRun();
    const saved = JSON.parse(await readFile(run.file('config.json'), 'utf8')) as {
      config: { method: string; model: { dim: number }; compared: { width?: number; transformerWidth?: number } };
    };
    delete saved.config.compared.width;
    saved.config.compared.transformerWidth = 64;
    for (const [method, width] of [
      ['hsan', saved.config.model.dim],
      ['clmlf', 64],
    ] as const) {
      saved.config.method = method;
      await writeFile(run.file('config.json'), JSON.stringify(saved));
      expect((await run.readDescription()).config.compared.width).toBe(width);
    }
  });

  it('forgets metrics after a checkpoint, and torn lines', async () => {
    for (const number of [10, 20, 30]) await run.appendMetric(step(number));
    await appendFile(run.file('metrics.jsonl'), '{"type":"st');
    expect((await run.readMetrics()).map((row) => row.step)).toEqual([10, 20, 30]);
    await run.truncateMetrics(20);
    expect((await run.readMetrics()).map((row) => row.step)).toEqual([10, 20]);
  });

  it('keeps the last checkpoints and the best', async () => {
    for (const number of [9, 10, 100, 20]) await writeFile(run.checkpointPath(number), '');
    await run.writeBest({ checkpoint: 'step-9.safetensors', epoch: 1, step: 9, score: 1, selection: 'best-accuracy' });
    await run.pruneCheckpoints(2);
    expect(await run.checkpointSteps()).toEqual([9, 20, 100]);
    expect(await run.latestCheckpoint()).toBe(run.checkpointPath(100));
    expect(await run.resultCheckpoint()).toBe(run.checkpointPath(9));
  });
});
