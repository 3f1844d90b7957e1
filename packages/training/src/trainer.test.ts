import { readFile, truncate } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { createEngine } from '@drf/engine';
import type { RunFolder } from '@drf/experiment';
import { memoryRows } from '@drf/experiment';
import { DrfMemory } from '@drf/model';
import { loadCheckpoint } from '@drf/model/checkpoint';
import { createRandom, DataError, hostTensor, type Engine } from '@drf/tensor';
import { separablePosts, SILENT, tinyConfig, tinyOptions } from './testing/tiny-run.js';
import { Trainer, type TrainerOptions, type TrainerOutcome } from './trainer.js';

let engine: Engine;
beforeAll(async () => {
  engine = await createEngine('eager:cpu');
});
afterAll(() => engine.dispose());

async function fit(options: TrainerOptions): Promise<TrainerOutcome> {
  const trainer = await Trainer.create(options);
  try {
    return await trainer.fit();
  } finally {
    await trainer.dispose();
  }
}

const lastCheckpoint = async (run: RunFolder): Promise<Buffer> => readFile(await run.latestCheckpoint());

describe('Trainer', () => {
  it('learns separable posts and says which epoch is the result', async () => {
    const epochs: { loss: number; accuracy: number }[] = [];
    const options = await tinyOptions(engine, { ...tinyConfig({ epochs: 12 }), method: 'concatenation' });
    const events = {
      ...SILENT,
      onEpoch: (_: number, train: { total: number }, val: { accuracy: number } | undefined) =>
        void epochs.push({ loss: train.total, accuracy: val?.accuracy ?? 0 }),
    };
    expect(await fit({ ...options, train: separablePosts(42), events })).toBe('finished');
    expect(epochs.at(-1)?.accuracy).toBeGreaterThan(0.85);
    expect(epochs.at(-1)?.loss).toBeLessThan(epochs[0]?.loss ?? 0);
    const best = await options.run.readBest();
    expect(best?.score).toBe(Math.max(...epochs.map(({ accuracy }) => accuracy)));
    expect(await options.run.resultCheckpoint()).toContain(`step-${best?.step}.safetensors`);
    // of the epochs that are best alike, the one of the least validation loss
    const rows = (await options.run.readMetrics()).flatMap((row) => (row.type === 'epoch' ? [row] : []));
    const alike = rows.filter(({ valAccuracy }) => valAccuracy === best?.score);
    expect(best?.loss).toBe(Math.min(...alike.map(({ valLoss }) => valLoss as number)));
    expect(best?.validation).toMatchObject({ posts: options.val?.ids.length, accuracy: best?.score });
  });

  it('writes the same result where it writes nothing else', async () => {
    const [whole, short] = [await tinyOptions(engine), await tinyOptions(engine)];
    await fit(whole);
    expect(await fit({ ...short, resultOnly: true })).toBe('finished');
    expect(await short.run.readBest()).toEqual(await whole.run.readBest());
    expect(await short.run.checkpointSteps()).toEqual([(await whole.run.readBest())?.step]);
    const load = async (run: RunFolder) =>
      loadCheckpoint(await run.resultCheckpoint(), {
        method: whole.method.id,
        parameters: whole.method.initialParameters(createRandom(0)),
      });
    const [expected, received] = [await load(whole.run), await load(short.run)];
    expect(received.state.parameters).toEqual(expected.state.parameters);
    expect(received.memory).toEqual(expected.memory);
    expect((await short.run.readMetrics()).map(({ type }) => type)).toEqual(['epoch', 'epoch', 'epoch', 'epoch']);
  });

  it('gives the same numbers twice, and others for another seed', async () => {
    const runs = [];
    for (const seed of [3, 3, 4]) {
      const options = await tinyOptions(engine, { ...tinyConfig(), seed });
      await fit(options);
      runs.push(await lastCheckpoint(options.run));
    }
    expect(runs[0]?.equals(runs[1] as Buffer)).toBe(true);
    expect(runs[0]?.equals(runs[2] as Buffer)).toBe(false);
  });

  it.each([
    ['drf', 'between epochs'],
    ['drf', 'inside an epoch'],
    ['concatenation', 'inside an epoch'],
  ] as const)('resuming %s after a stop %s equals not having stopped', async (method, where) => {
    const config = { ...tinyConfig(), method };
    const straight = await tinyOptions(engine, config);
    await fit(straight);

    const stopped = await tinyOptions(engine, config);
    const controller = new AbortController();
    const stop =
      where === 'between epochs'
        ? { stopAfterEpochs: 2 }
        : {
            signal: controller.signal,
            events: { ...SILENT, onStep: ({ step }: { step: number }) => void (step === 5 && controller.abort()) },
          };
    expect(await fit({ ...stopped, ...stop })).toBe('interrupted');
    expect((await stopped.run.checkpointSteps()).at(-1)).toBe(where === 'between epochs' ? 6 : 5);
    expect(await fit({ ...stopped, resume: true })).toBe('finished');

    expect((await lastCheckpoint(stopped.run)).equals(await lastCheckpoint(straight.run))).toBe(true);
    const untimed = async (run: RunFolder): Promise<unknown> =>
      (await run.readMetrics()).map((row) => ({ ...row, seconds: 0 }));
    expect(await untimed(stopped.run)).toEqual(await untimed(straight.run));
    expect(await stopped.run.readBest()).toEqual(await straight.run.readBest());
  });

  it('goes on from the last whole checkpoint after a crash', async () => {
    const straight = await tinyOptions(engine);
    await fit(straight);
    const crashed = await tinyOptions(engine);
    const crash = {
      ...SILENT,
      onStep: ({ step }: { step: number }) => {
        if (step === 8) throw new Error('power cut');
      },
    };
    await expect(fit({ ...crashed, events: crash })).rejects.toThrow('power cut');
    expect(await fit({ ...crashed, resume: true })).toBe('finished');
    expect((await lastCheckpoint(crashed.run)).equals(await lastCheckpoint(straight.run))).toBe(true);
  });

  it('stops on a loss that is not finite, naming step and part, and keeps what it had', async () => {
    const options = await tinyOptions(engine);
    const posts = separablePosts(21);
    const poisoned = memoryRows(hostTensor(new Float32Array(21 * 6).fill(Number.NaN), [21, 6]));
    await expect(fit({ ...options, train: { ...posts, image: { ...posts.image, rows: poisoned } } })).rejects.toThrow(
      /Training step 1, loss part "\w+" expected a finite loss, received NaN; lower the learning rate/,
    );
  });

  it('stops early when nothing gets better', async () => {
    const options = await tinyOptions(engine, tinyConfig({ epochs: 40, learningRate: 1e-9, patience: 2 }));
    expect(await fit(options)).toBe('stopped-early');
    expect((await options.run.readMetrics()).filter((row) => row.type === 'epoch').length).toBeLessThan(20); // losses still differ by rounding
  });

  it('takes the last epoch as the result without a validation split', async () => {
    const options = await tinyOptions(engine);
    await fit({ ...options, val: undefined });
    expect((await options.run.readBest())?.epoch).toBe(4);
    const rows = (await options.run.readMetrics()).filter((row) => row.type === 'epoch');
    expect(rows.map((row) => row.valAccuracy)).toEqual([null, null, null, null]);
  });

  it('refuses to resume from a truncated checkpoint or one of another method or shape', async () => {
    const options = await tinyOptions(engine);
    await fit({ ...options, stopAfterEpochs: 1 });
    const other = await tinyOptions(engine, { ...tinyConfig(), method: 'concatenation' });
    await expect(fit({ ...other, run: options.run, resume: true })).rejects.toThrow(
      /expected method concatenation, received drf/,
    );
    const wider = tinyConfig();
    const wide = await tinyOptions(engine, { ...wider, model: { ...wider.model, dim: 10 } });
    await expect(fit({ ...wide, run: options.run, resume: true })).rejects.toThrow(/parameter \S+ expected shape/);
    await truncate(await options.run.latestCheckpoint(), 1000);
    await expect(fit({ ...options, resume: true })).rejects.toThrow(/truncated, damaged or not safetensors/);
  });

  it('a full disk names the file and leaves the former checkpoints usable', async () => {
    const options = await tinyOptions(engine);
    const original = options.run.checkpointPath.bind(options.run);
    vi.spyOn(options.run, 'checkpointPath').mockImplementation((step) =>
      step > 3 ? '/dev/full/step.safetensors' : original(step),
    );
    await expect(fit(options)).rejects.toThrow(DataError);
    await expect(fit({ ...options, resume: true })).rejects.toThrow(/Writing \/dev\/full/);
    vi.restoreAllMocks();
    expect(await fit({ ...options, resume: true })).toBe('finished');
  });

  it('keeps the current batch out of the statistics that judge it', async () => {
    const order: string[] = [];
    const options = await tinyOptions(engine, { ...tinyConfig({ epochs: 1 }), method: 'drf-paper' });
    const createMemory = options.method.createMemory.bind(options.method);
    const method = {
      ...options.method,
      createMemory: () => {
        const memory = createMemory() as DrfMemory;
        vi.spyOn(memory, 'inputs').mockImplementation(
          () => (order.push('read'), DrfMemory.prototype.inputs.call(memory)),
        );
        vi.spyOn(memory, 'update').mockImplementation(
          (seen) => (order.push('enqueue'), DrfMemory.prototype.update.call(memory, seen)),
        );
        return memory;
      },
    };
    await fit({ ...options, method, val: undefined });
    expect(order).toEqual(Array.from({ length: 3 }, () => ['read', 'enqueue']).flat());
  });
});
