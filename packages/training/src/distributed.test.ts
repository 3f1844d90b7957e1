// Trainings in several ranks, all of them in this process, against one process that accumulates as many parts.
import { mkdtemp, rm } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CollectiveError, inProcess, type Collective } from '@drf/collective';
import { createEngine } from '@drf/engine';
import { METHOD_NAMES, parseExperiment, RunFolder, type ExperimentConfig, type Session } from '@drf/experiment';
import { tinyTrainableImage, tinyTrainableText } from '@drf/experiment/testing';
import { readSafetensors } from '@drf/files';
import { createDisplay, type Display } from './display.js';
import { distributionNotes, shareRun, threadsOfRank } from './distributed.js';
import { Ranks } from './ranks.js';
import { separablePosts } from './testing/tiny-run.js';
import { tinySession } from './testing/tiny-session.js';
import { train, type TrainOptions, type TrainServices } from './train.js';
import type { TrainerOutcome } from './trainer.js';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'drf-ranks-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

interface Wanted {
  readonly method?: string;
  readonly seed?: number;
  readonly training?: object;
  readonly encoders?: object;
  readonly model?: object;
}

/** 15 training posts in batches of 6: of the last batch of an epoch, the third of three ranks has none. */
function configOf({ method = 'drf', seed = 2, training, encoders, model }: Wanted = {}): ExperimentConfig {
  return parseExperiment(
    {
      name: 'ranks',
      method,
      seed,
      engine: 'eager:cpu',
      dataset: { name: 'embedded', imageSize: 16, limit: 15 },
      encoders: { ...encoders },
      model: { dim: 4, queueCapacity: 16, gaussianRank: 2, gateHidden: 2, standardize: true, ...model },
      compared: { heads: 2, width: 4, words: 4, objects: 2, scenes: 2 },
      training: { epochs: 7, batchSize: 6, learningRate: 1e-2, keepCheckpoints: 99, ...training },
    },
    'ranks',
  );
}

const TRAINED = {
  encoders: {
    image: 'huggingface:tiny',
    text: 'huggingface:tiny',
    trainable: { image: true, text: true },
    dropout: { image: 0.2, text: 0.2 },
  },
  training: { encoderLearningRate: 5e-3, clipNorm: 0.5, groupByLength: 2, disruption: 'random:0.6:C+D' },
};

const trainedSession: TrainServices['startSession'] = async ({ engine: name }): Promise<Session> => {
  const engine = await createEngine(name);
  const encoders = { image: tinyTrainableImage(), text: tinyTrainableText() };
  return { engine, ...encoders, dispose: () => engine.dispose() };
};

type Settings = Partial<Omit<TrainOptions, 'distributed' | 'config'>> & { readonly path?: string };

/** Trains in one process. @returns the run */
async function alone(config: ExperimentConfig, settings: Settings = {}): Promise<RunFolder> {
  const { path = join(await mkdtemp(join(folder, 'run-')), 'run'), ...options } = settings;
  const run = await (options.resume === true ? RunFolder.open(path) : RunFolder.create(path, { overwrite: false }));
  await train({ ...usual(config), run, ...options });
  return run;
}

function usual(config: ExperimentConfig): Pick<TrainOptions, 'config' | 'resume' | 'cache' | 'display' | 'services'> {
  const isTrained = config.encoders.trainable.image;
  const services = { startSession: isTrained ? trainedSession : tinySession };
  return { config, resume: false, cache: join(folder, 'cache'), display: createDisplay(true), services };
}

/** What one rank has that others do not. */
type OwnSettings = Partial<TrainOptions> & { readonly wrapped?: (own: Collective) => Collective };

/** Trains in ranks, which have caches of their own. @returns the run of rank 0, and how it ended */
async function inRanks(
  size: number,
  config: ExperimentConfig,
  settings: Settings & { readonly checkEvery?: number; readonly own?: (rank: number) => OwnSettings } = {},
): Promise<{ readonly run: RunFolder; readonly outcomes: readonly TrainerOutcome[] }> {
  const { path = join(await mkdtemp(join(folder, 'run-')), 'run'), checkEvery = 4, own = (): OwnSettings => ({}), ...options } = settings; // prettier-ignore
  const results = await Promise.allSettled(
    inProcess(size).map(async (collective) => {
      const { wrapped = (same: Collective) => same, ...ofRank } = own(collective.rank);
      const open = () =>
        options.resume === true ? RunFolder.open(path) : RunFolder.create(path, { overwrite: false });
      const { run, release } = await shareRun(collective, open);
      try {
        const distributed = { collective: wrapped(collective), checkEvery };
        const cache = join(folder, `cache-${collective.rank}`);
        const { outcome } = await train({ ...usual(config), run, cache, ...options, ...ofRank, distributed });
        await collective.close();
        return { run, outcome };
      } catch (error) {
        collective.abort(1); // as a process that fails does
        throw error;
      } finally {
        await release();
      }
    }),
  );
  const failures = results.flatMap((result) => (result.status === 'rejected' ? [result.reason as Error] : []));
  const first = failures.find((error) => !(error instanceof CollectiveError)) ?? failures[0];
  if (first !== undefined) throw first;
  const done = results.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []));
  return { run: (done[0] as { run: RunFolder }).run, outcomes: done.map(({ outcome }) => outcome) };
}

const withParts = (config: ExperimentConfig, accumulate: number): ExperimentConfig => ({
  ...config,
  training: { ...config.training, accumulate },
});

/** The largest difference between the last checkpoints and between the logged losses of two runs. */
async function expectEqual(received: RunFolder, expected: RunFolder, tolerance = 1e-5): Promise<void> {
  const [own, due] = [await readSafetensors(await received.latestCheckpoint()), await readSafetensors(await expected.latestCheckpoint())]; // prettier-ignore
  expect([...own.tensors.keys()]).toEqual([...due.tensors.keys()]);
  for (const [name, { data }] of own.tensors) {
    const want = due.tensors.get(name)?.data as ArrayLike<number>;
    expect(data.length, name).toBe(want.length);
    const distances = Array.from(data, (value, i) => Math.abs(value - (want[i] as number)) / (1 + Math.abs(want[i] as number))); // prettier-ignore
    const worst = distances.reduce((most, own) => Math.max(most, own), 0);
    expect(worst, name).toBeLessThanOrEqual(tolerance);
  }
  const [rows, dueRows] = [await received.readMetrics(), await expected.readMetrics()];
  expect(rows.length).toBe(dueRows.length);
  for (const [i, row] of rows.entries()) {
    const want = dueRows[i] as typeof row;
    expect(numbersOf(row)).toEqual(tolerance === 0 ? numbersOf(want) : closeTo(numbersOf(want), tolerance));
  }
}

function numbersOf(row: object): Record<string, number> {
  return Object.fromEntries(
    Object.entries(row).flatMap(([name, value]: [string, unknown]): [string, number][] => {
      if (name === 'seconds') return [];
      if (typeof value === 'number') return [[name, value]];
      return typeof value === 'object' && value !== null ? Object.entries(numbersOf(value)).map(([inner, own]) => [`${name}.${inner}`, own]) : []; // prettier-ignore
    }),
  );
}

function closeTo(numbers: Record<string, number>, tolerance: number): Record<string, unknown> {
  const digits = -Math.log10(2 * tolerance);
  return Object.fromEntries(Object.entries(numbers).map(([name, value]) => [name, expect.closeTo(value, digits)]));
}

/** Stops, as if by a signal, after a step. */
function stopAt(step: number): Pick<TrainOptions, 'signal' | 'display'> {
  const controller = new AbortController();
  const display: Display = {
    ...createDisplay(true),
    onStep: (position) => void (position.step === step && controller.abort()),
  };
  return { signal: controller.signal, display };
}

describe('ranks train as one process that accumulates', () => {
  it.each(METHOD_NAMES)('%s', { timeout: 300_000 }, async (method) => {
    const config = configOf({ method, training: { simulation: { share: 0.5 }, ...(method === 'mvcn' ? { classWeights: 'balanced' } : {}) } }); // prettier-ignore
    const one = await alone(withParts(config, 3));
    expect((await one.readMetrics()).at(-1)?.step).toBeGreaterThanOrEqual(20);
    await expectEqual((await inRanks(3, config)).run, one);
  });

  it(
    'each of two accumulating two parts, with trained encoders, dropout, clipping and groups by length',
    { timeout: 300_000 },
    async () => {
      const config = withParts(configOf(TRAINED), 2);
      const { run } = await inRanks(2, config);
      await expectEqual(run, await alone(withParts(config, 4)));
    },
  );

  it('in compiled steps', { timeout: 300_000 }, async () => {
    const config = { ...configOf({ training: { epochs: 7, clipNorm: 1 } }), engine: 'compiled' };
    const compiled: TrainServices['startSession'] = async () => {
      const session = await tinySession();
      return { ...session, engine: await createEngine('compiled') };
    };
    const services = { startSession: compiled };
    const { run } = await inRanks(2, config, { services });
    await expectEqual(run, await alone(withParts(config, 2), { services }));
  });

  it('writes what one process writes, in rank 0 alone', async () => {
    const config = configOf({ training: { epochs: 2 } });
    const { run, outcomes } = await inRanks(2, config);
    const one = await alone(withParts(config, 2));
    expect(outcomes).toEqual(['finished', 'finished']);
    expect(await run.checkpointSteps()).toEqual(await one.checkpointSteps());
    expect(await run.readBest()).toMatchObject({ step: (await one.readBest())?.step, score: (await one.readBest())?.score }); // prettier-ignore
    const { config: own, posts, classes } = await run.readDescription();
    expect({ posts, classes }).toEqual({ posts: (await one.readDescription()).posts, classes: (await one.readDescription()).classes }); // prettier-ignore
    expect(own.training.accumulate).toBe(1);
  });
});

describe('a training in ranks that stops', () => {
  it(
    'does so after the same step in all, when one is told to, and goes on to the same end',
    { timeout: 300_000 },
    async () => {
      const config = configOf();
      const straight = await inRanks(2, config);
      const stopped = await inRanks(2, config, { own: (rank) => (rank === 1 ? stopAt(4) : {}) });
      expect(stopped.outcomes).toEqual(['interrupted', 'interrupted']);
      // rank 1 says so with what it says of the step after
      expect((await stopped.run.checkpointSteps()).at(-1)).toBe(5);
      const { run } = await inRanks(2, config, { path: stopped.run.path, resume: true });
      await expectEqual(run, straight.run, 0);
    },
  );

  it.each([
    ['three ranks', 3],
    ['one process', 1],
  ])('goes on in %s', { timeout: 300_000 }, async (_, size) => {
    const config = configOf();
    const straight = await alone(withParts(config, 2));
    const { run } = await inRanks(2, config, { own: (rank) => (rank === 0 ? stopAt(7) : {}) });
    if (size === 1) await alone(config, { path: run.path, resume: true });
    else await inRanks(size, config, { path: run.path, resume: true });
    await expectEqual(run, straight);
  });

  it('at the end of an epoch validates again', { timeout: 300_000 }, async () => {
    const config = configOf({ training: { epochs: 3 } });
    const stopped = await inRanks(2, config, { own: (rank) => (rank === 1 ? stopAt(3) : {}) });
    expect((await stopped.run.checkpointSteps()).at(-1)).toBe(3);
    const { run } = await inRanks(2, config, { path: stopped.run.path, resume: true });
    await expectEqual(run, (await inRanks(2, config)).run, 0);
  });
});

it('ranks judge whole batches of a set each, as one process makes them', async () => {
  const set = separablePosts(150); // batches of 64, 64 and 22
  const judged: string[][] = [];
  const results = await Promise.all(
    inProcess(2).map((collective) =>
      new Ranks({ collective }).judge(set, async (own) => {
        judged.push([...own.ids]);
        return Float32Array.from(own.ids, (id) => set.ids.indexOf(id));
      }),
    ),
  );
  expect(judged.map(({ length }) => length).sort((a, b) => a - b)).toEqual([64, 86]);
  for (const result of results) expect(result).toEqual(Float32Array.from(set.ids.keys()));
});

describe('ranks that differ', () => {
  it('in their options are named', async () => {
    const started = inRanks(3, configOf(), { own: (rank) => (rank === 2 ? { config: configOf({ seed: 9 }) } : {}) });
    await expect(started).rejects.toThrow(/Rank 2 expected the configuration of rank 0/);
  });

  it('in the version of the program are named', async () => {
    const versions = { node: '', platform: '', packages: {}, git: 'abc' };
    const services = { startSession: tinySession, readVersions: async () => versions };
    const started = inRanks(2, configOf(), { own: (rank) => (rank === 1 ? { services } : {}) });
    await expect(started).rejects.toThrow(/Rank 1 expected the version of the program/);
  });

  it('in a parameter are named at the next comparison', async () => {
    const wrong = (own: Collective): Collective => {
      let sums = 0;
      const allReduceSum = async (buffer: Float32Array): Promise<void> => {
        await own.allReduceSum(buffer);
        if (++sums === 6) buffer[3] = (buffer[3] as number) + 1e-3; // as a bit that flips
      };
      return { ...own, rank: own.rank, size: own.size, allReduceSum };
    };
    const started = inRanks(2, configOf(), { own: (rank) => (rank === 1 ? { wrapped: wrong } : {}) });
    await expect(started).rejects.toThrow(/Step 8, rank 1 expected the same state\.\S+ as rank 0/);
  });

  it('because one failed end all', async () => {
    const display: Display = { ...createDisplay(true), onStep: () => { throw new Error('out of memory') } }; // prettier-ignore
    const started = inRanks(3, configOf(), { own: (rank) => (rank === 1 ? { display } : {}) });
    await expect(started).rejects.toThrow('out of memory');
  });
});

it('gives each rank its share of the cores of its machine, and at least one', async () => {
  const hosts = ['a', 'b', 'a', 'a'];
  const collective = { allGather: () => Promise.resolve(hosts.map((host) => Buffer.from(host))) };
  const threads = async (host: string, cores: number): Promise<number> => threadsOfRank(collective, cores, host);
  const most = availableParallelism();
  expect(await threads('a', 7)).toBe(Math.min(2, most));
  expect(await threads('a', 2)).toBe(1);
  expect(await threads('b', 1000)).toBe(Math.min(1000, most));
});

it('refuses more parts than a step has posts', async () => {
  const started = inRanks(4, withParts(configOf(), 2));
  await expect(started).rejects.toThrow(/6 posts for 4 · 2 parts/);
});

it('says how steps are cut, and which losses see a part alone', () => {
  expect(distributionNotes(configOf(), 3)).toEqual([
    '3 ranks compute each step of 6 posts in parts of 2, as --training.accumulate 3 in one process would',
  ]);
  expect(distributionNotes(configOf({ method: 'clmlf' }), 2)[1]).toContain('sees the 3 of a part');
});
