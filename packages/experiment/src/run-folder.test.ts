import { appendFile, chmod, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import {
  drfForm,
  RunFolder,
  parseExperiment,
  simulationOptions,
  type ExperimentConfig,
  type MetricRow,
} from './index.js';

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

  it('takes what a start or a deletion that was cut short has left for nothing', async () => {
    for (const name of ['ledger.json', 'manifest.jsonl.123', 'rejected.jsonl']) await writeFile(run.file(name), '{}');
    await RunFolder.create(run.path, { overwrite: false }); // nothing was trained yet
    expect(await readdir(run.path)).toEqual(['checkpoints']);

    await writeFile(run.checkpointPath(3), '');
    await expect(RunFolder.create(run.path, { overwrite: false })).rejects.toThrow(/received a run; use --resume/);
    await RunFolder.create(run.path, { overwrite: true });
    await describeRun();
    await rm(run.file('checkpoints'), { recursive: true });
    await RunFolder.create(run.path, { overwrite: true });
    expect(await readdir(run.path)).toEqual(['checkpoints']);

    await writeFile(run.file('precious.txt'), 'x');
    await expect(RunFolder.create(run.path, { overwrite: true })).rejects.toThrow(/received other files/);
  });

  it('never takes another program’s folder for a rest of a run', async () => {
    await mkdir(join(root, 'model'));
    await writeFile(join(root, 'model', 'config.json'), '{"model_type": "bert"}');
    await expect(RunFolder.create(join(root, 'model'), { overwrite: true })).rejects.toThrow(/received other files/);
  });

  it('is trained in by one process at a time, which clears away what a killed one left half written', async () => {
    await describeRun();
    const left = ['config.json.77', join('checkpoints', 'step-25.safetensors.4232770960'), join('checkpoints', 'mine')];
    for (const name of left) await writeFile(run.file(name), '');
    await writeFile(run.checkpointPath(25), '');
    const lock = await run.lock();
    expect((await readdir(run.path)).sort()).toEqual(['checkpoints', 'config.json', 'run.lock']);
    expect((await readdir(run.file('checkpoints'))).sort()).toEqual(['mine', 'step-25.safetensors']);
    await expect(run.lock()).rejects.toThrow(/one program at a time/);
    await expect(RunFolder.create(run.path, { overwrite: true })).rejects.toThrow(/one program at a time/);
    await lock.release();
    await RunFolder.create(run.path, { overwrite: true });
  });

  it('opens no run with a link that leads out of it', async () => {
    await describeRun();
    await RunFolder.open(run.path);
    await mkdir(run.file('eval', 'test'), { recursive: true });
    await symlink(join(root, 'anything'), run.file('eval', 'test', 'report.html'));
    await expect(RunFolder.open(run.path)).rejects.toThrow(/links that stay inside it, received eval.*report.html/);
  });

  it.skipIf(process.getuid?.() === 0 || process.platform === 'win32')(
    'says that it cannot be made (root may write anywhere, and Windows knows no such permissions)',
    async () => {
      await chmod(root, 0o500);
      await expect(RunFolder.create(join(root, 'other'), { overwrite: false })).rejects.toThrow(/a place where it can be made, received EACCES/); // prettier-ignore
    },
  );

  it.each(['null', '5', '[]', '{}', '"x"', '{"config": null, "classes": ["a"]}'])(
    'says that config.json and best.json are damaged when they hold %s',
    async (text) => {
      await writeFile(run.file('config.json'), text);
      await expect(run.readDescription()).rejects.toThrow(/config.json expected the description of a run, received/);
      await writeFile(run.file('best.json'), text);
      await expect(run.resultCheckpoint()).rejects.toThrow(/best.json expected the checkpoint that is best, received/);
    },
  );

  it.each<[string, (saved: Record<string, unknown>) => void, RegExp]>([
    [
      'a class less',
      (saved) => (saved['classes'] = ['a']),
      /classes: another number of names than shapes.classes says/,
    ],
    ['a class twice', (saved) => (saved['classes'] = ['a', 'a']), /classes: a name occurs twice/],
    ['a class without a name', (saved) => (saved['classes'] = ['a', '']), /classes.1: /],
    ['a negative width', (saved) => (saved['shapes'] = { imageDim: -1, textDim: 2, classes: 2 }), /shapes.imageDim: /],
    [
      'a width beyond memory',
      (saved) => (saved['shapes'] = { imageDim: 1e9, textDim: 2, classes: 2 }),
      /shapes.imageDim: /,
    ],
    [
      'tokens that are none',
      (saved) => (saved['shapes'] = { imageDim: 3, textDim: 2, classes: 2, tokens: null }),
      /shapes.tokens: /,
    ],
    ['no versions', (saved) => delete saved['versions'], /versions: /],
  ])('refuses a description with %s', async (_, change, message) => {
    await describeRun();
    const saved = JSON.parse(await readFile(run.file('config.json'), 'utf8')) as Record<string, unknown>;
    change(saved);
    await writeFile(run.file('config.json'), JSON.stringify(saved));
    await expect(run.readDescription()).rejects.toThrow(message);
  });

  it('takes a checkpoint’s name only for its best, and no path', async () => {
    for (const checkpoint of ['../../../etc/passwd', 'other.safetensors', 5]) {
      await writeFile(run.file('best.json'), JSON.stringify({ checkpoint, epoch: 1, step: 9, score: 1 }));
      await expect(run.resultCheckpoint()).rejects.toThrow(/best.json expected .* received checkpoint: /);
    }
  });

  it('says when a folder is no run, or has no checkpoint yet', async () => {
    await expect(RunFolder.open(root)).rejects.toThrow(/a folder that training made/);
    await expect(run.latestCheckpoint()).rejects.toThrow(/a checkpoint in checkpoints/);
  });

  it('reads its description back and refuses a damaged one', async () => {
    await describeRun();
    expect((await run.readDescription()).config.training.batchSize).toBe(16);
    await writeFile(run.file('config.json'), '{"config": {}}');
    await expect(run.readDescription()).rejects.toThrow(
      /config.json expected the description of a run, received classes: /,
    );
    await writeFile(run.file('config.json'), '{"config": ');
    await expect(run.readDescription()).rejects.toThrow(/valid JSON/);
  });

  it('takes a run of before there was a better drf for one of the paper’s', async () => {
    await describeRun();
    expect((await run.readDescription()).config.method).toBe('drf');
    const saved = JSON.parse(await readFile(run.file('config.json'), 'utf8')) as { config: { model: object } };
    const model = saved.config.model as { gaussianRank?: number; discriminants?: number };
    delete model.gaussianRank;
    delete model.discriminants;
    await writeFile(run.file('config.json'), JSON.stringify(saved));
    const { config } = await run.readDescription();
    expect([config.method, simulationOptions(config).share]).toEqual(['drf-adapted', 0]);
  });

  it('takes a drf of before there were discriminants for one without', async () => {
    await describeRun();
    const saved = JSON.parse(await readFile(run.file('config.json'), 'utf8')) as { config: ExperimentConfig };
    const encoders = { ...saved.config.encoders, image: 'some/vit', text: 'some/bert' };
    const fresh = parseExperiment({ ...saved.config, encoders }, 'test');
    expect(fresh.model.discriminants).toBe(0.5);
    const model = { ...fresh.model, discriminants: undefined }; // JSON leaves it out
    const training = { ...saved.config.training, disruption: 'random:0.6:C' };
    await writeFile(run.file('config.json'), JSON.stringify({ ...saved, config: { ...fresh, model, training } }));
    const { config } = await run.readDescription();
    expect([config.method, config.model.discriminants, simulationOptions(config).share]).toEqual(['drf', 0, 0]);
  });

  it('takes a drf-paper of before that was the paper’s to the letter for drf-adapted', async () => {
    await describeRun();
    const path = run.file('config.json');
    const saved = JSON.parse(await readFile(path, 'utf8')) as {
      config: { method: string; model: object; training: { disruption: string } };
    };
    saved.config.method = 'drf-paper';
    saved.config.training.disruption = 'random:0.6:C+D';
    await writeFile(path, JSON.stringify(saved));
    expect((await run.readDescription()).config.method).toBe('drf-paper');
    delete (saved.config.model as { featureNorm?: string }).featureNorm;
    await writeFile(path, JSON.stringify(saved));
    const { config } = await run.readDescription();
    expect([config.method, drfForm(config).recoveryTargetGradient]).toEqual(['drf-adapted', false]);
    expect(config.training.disruption).toBe('random:0.6:C+D:independent');
  });

  it('lets a fine-tuned run of before encoders had dropout and simulation go on without them', async () => {
    await describeRun();
    const path = run.file('config.json');
    const saved = JSON.parse(await readFile(path, 'utf8')) as {
      config: {
        model: { featureNorm?: string };
        encoders: { text: string; trainable: { text: boolean }; dropout?: object };
        training: { simulation: { share?: number } };
      };
    };
    const { encoders, training, model } = saved.config;
    encoders.text = 'huggingface:some/model';
    encoders.trainable.text = true;
    const read = async () => {
      await writeFile(path, JSON.stringify(saved));
      const { config } = await run.readDescription();
      return [config.method, simulationOptions(config).share, config.encoders.dropout];
    };
    expect(await read()).toEqual(['drf', 0.5, {}]);
    delete model.featureNorm;
    delete encoders.dropout;
    expect(await read()).toEqual(['drf', 0, { text: 0 }]);
    encoders.trainable.text = false; // frozen encoders had the simulation
    expect(await read()).toEqual(['drf', 0.5, {}]);
    training.simulation.share = 0.2;
    expect(await read()).toEqual(['drf', 0.2, {}]);
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
    const damaged = [
      'null',
      '5',
      '{"step":1}',
      '{"type":"epoch","step":2,"epoch":1}',
      '{"type":"step","step":2,"parts":null}',
    ];
    await appendFile(run.file('metrics.jsonl'), [...damaged, '{"type":"st'].join('\n'));
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
