import { mkdtemp, readdir, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { writeTinyBert, writeTinyVit } from '@drf/encoders/testing';
import {
  openExperimentData,
  parseExperiment,
  RunFolder,
  startSession,
  type ExperimentConfig,
  withCachedStates,
} from '@drf/experiment';
import { DataError } from '@drf/tensor';
import { createDisplay } from './display.js';
import { estimateText, estimateTraining, type EstimateOptions, type TrainingEstimate } from './estimate.js';
import { tinySession } from './testing/tiny-session.js';
import { train } from './train.js';

let folder: string;
let work: string;
const names = { image: '', text: '' };
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'drf-estimate-'));
  const config = { num_hidden_layers: 3 };
  names.image = `huggingface:${await writeTinyVit(join(folder, 'vit'), { config })}`;
  names.text = `huggingface:${await writeTinyBert(join(folder, 'bert'), { config })}`;
});
beforeEach(async () => {
  work = await mkdtemp(join(folder, 'work-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

function configOf(overrides: { training?: object; encoders?: object; dataset?: object; method?: string } = {}) {
  const { training, encoders, dataset, method = 'drf' } = overrides;
  return parseExperiment(
    {
      name: 'tiny',
      method,
      engine: 'eager:cpu',
      dataset: { name: 'embedded', imageSize: 16, limit: 16, ...dataset },
      encoders: { ...encoders },
      model: { dim: 6, queueCapacity: 16, gaussianRank: 2, standardize: true },
      compared: { width: 8, heads: 2 },
      training: { epochs: 3, batchSize: 6, keepCheckpoints: 1, ...training },
    },
    'tiny',
  );
}

const tuned = (layers: number | 'all') => ({
  ...names,
  trainable: { image: true, text: true },
  trainableLayers: { image: layers, text: layers },
});

const estimate = (config: ExperimentConfig, overrides: Partial<EstimateOptions> = {}): Promise<TrainingEstimate> =>
  estimateTraining({
    config,
    cache: join(work, 'cache'),
    out: join(work, 'run'),
    display: createDisplay(true),
    openData: () => openExperimentData(config.dataset),
    startSession: (own) => startSession(own),
    ...overrides,
  });

const byKind = ({ encoding }: TrainingEstimate) =>
  Object.fromEntries(
    encoding.map(({ kind, modality, contents, cached }) => [`${kind} ${modality}`, [contents, cached]]),
  );

describe('estimateTraining', () => {
  it('counts what frozen encoders make of posts and their disruptions, and writes nothing', async () => {
    const config = configOf();
    const frozen = { startSession: () => tinySession() };
    const before = await estimate(config, frozen);
    expect(await readdir(work)).toEqual([]);
    expect(before).toMatchObject({ posts: { train: 16, val: 16 }, epochs: 3, steps: 9, trainings: 1 });
    expect(before.parameters.trained).toBeGreaterThan(100);
    expect(before.bytes.features).toBeGreaterThan(0);
    expect(before.bytes.states).toBe(0);
    expect(before.encoding.every(({ secondsEach }) => secondsEach !== null && secondsEach > 0)).toBe(true);
    expect(before.seconds.encoding).toBeGreaterThan(0);
    expect(before.seconds.total).toBeCloseTo(
      Object.entries(before.seconds).reduce((sum, [name, seconds]) => sum + (name === 'total' ? 0 : seconds), 0),
    );
    const run = await RunFolder.create(join(work, 'run'), { overwrite: false });
    const { cache, display } = { cache: join(work, 'cache'), display: createDisplay(true) };
    await train({ config, run, resume: false, cache, display, services: { startSession: () => tinySession() } });
    const after = await estimate(config, frozen);
    const [due, found] = [byKind(before), byKind(after)];
    for (const [name, [contents]] of Object.entries(due)) expect(found[name]).toEqual([contents, contents]);
    expect(after.bytes.features).toBe(0);
    expect(after.encoding.every(({ secondsEach, seconds }) => secondsEach === null && seconds === 0)).toBe(true);
    const text = estimateText(after);
    expect(text).toMatch(/16 posts to train on, 16 to validate on; 3 epochs, 9 steps/);
    expect(text).toMatch(/features of images/);
  });

  it.each([
    [1, 'states'],
    ['all', 'nothing'],
  ] as const)('measures steps of encoders of which %s layers are tuned', async (layers, kind) => {
    const config = configOf({ encoders: tuned(layers) });
    const result = await estimate(config);
    expect(await readdir(work)).toEqual([]);
    expect(result.encoding.map((need) => need.kind)).toEqual(kind === 'states' ? ['states', 'states'] : []);
    expect(result.encoding.every(({ secondsEach }) => secondsEach !== null && secondsEach > 0)).toBe(true);
    expect(result.seconds.encoding > 0).toBe(kind === 'states');
    expect(result.bytes.states > 0).toBe(kind === 'states');
    expect(result.seconds.checking > 0).toBe(kind === 'nothing');
    expect(result.seconds.measuring).toBeGreaterThan(0);
    expect(result.secondsPerStep).toBeGreaterThan(0);
    expect(result.parameters.trained).toBeLessThan(result.parameters.all);
    // parameters, and two moments of each trained one, at 4 bytes; the last checkpoint and the best
    expect(result.bytes.checkpoints).toBeGreaterThan(2 * 4 * 3 * result.parameters.trained);
    if (layers === 'all') return;
    const run = await RunFolder.create(join(work, 'run'), { overwrite: false });
    await train({ config, run, resume: false, cache: join(work, 'cache'), display: createDisplay(true) });
    const files = await readdir(join(work, 'cache'), { recursive: true, withFileTypes: true });
    const { size } = await sizes(files.map((file) => join(file.parentPath, file.name)));
    const headers = files.length * 200;
    expect(size).toBeGreaterThan(result.bytes.states);
    expect(size).toBeLessThan(result.bytes.states + headers);
  });

  it('refuses to guess how long that takes which it could not encode', async () => {
    const startSession = async () => {
      const session = await tinySession();
      const encode = () => Promise.reject(new DataError({ subject: 'Image', expected: 'pixels', received: 'none' }));
      return { ...session, image: { ...session.image, encode } };
    };
    await expect(estimate(configOf(), { startSession })).rejects.toThrow(
      /The time of encoding features of images expected a training post whose image can be read.*received none/,
    );
  });

  it('takes all folds together, whose posts are encoded once', async () => {
    const dataset = { folds: 3, fold: 1 };
    const frozen = { startSession: () => tinySession() };
    const one = await estimate(configOf({ dataset }), frozen);
    const three = await estimate(configOf({ dataset }), { ...frozen, trainings: 3 });
    expect(three.trainings).toBe(3);
    expect(three.bytes.checkpoints).toBe(3 * one.bytes.checkpoints);
    const contents = (result: TrainingEstimate): number => result.encoding.reduce((sum, own) => sum + own.contents, 0);
    expect(contents(three)).toBeGreaterThan(contents(one));
    expect(contents(three)).toBeLessThan(2 * contents(one));
  });

  it('refuses hidden states that are more than the experiment or the disk allows, with the numbers', async () => {
    const config = configOf({ encoders: { ...tuned(1), stateGigabytes: 1e-6 } });
    const refusal =
      /Hidden states below the first trained layers expected at most 0.000001 GB on disk, received \d+ kB: image, 64 contents of up to 5 tokens, 8.\d kB in half precision; text, 64 contents of up to 16 tokens, .* allow more \(--encoders.state-gigabytes 1\), .*--encoders.cache-states false/;
    await expect(estimate(config)).rejects.toThrow(refusal);
    const run = await RunFolder.create(join(work, 'run'), { overwrite: false });
    const training = train({ config, run, resume: false, cache: join(work, 'cache'), display: createDisplay(true) });
    await expect(training).rejects.toThrow(refusal);
    expect(await readdir(work)).toEqual(['run']); // nothing was computed
    const cache = join(work, 'cache');
    const inSingle = async (own: ExperimentConfig) =>
      withCachedStates(await startSession(own), own, { cache, storage: 'float32' });
    await expect(estimate(config, { startSession: inSingle })).rejects.toThrow(
      /image, 64 contents of up to 5 tokens, 13 kB in single precision/,
    );
  });
});

async function sizes(paths: readonly string[]): Promise<{ size: number }> {
  const all = await Promise.all(paths.map((path) => stat(path)));
  return { size: all.reduce((sum, file) => sum + (file.isFile() ? file.size : 0), 0) };
}
