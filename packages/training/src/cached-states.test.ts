import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { writeTinyBert, writeTinyVit } from '@drf/encoders/testing';
import {
  isUpper,
  openRun,
  parseExperiment,
  RunFolder,
  startSession,
  withCachedStates,
  type ExperimentConfig,
} from '@drf/experiment';
import { inProcess } from '@drf/collective';
import { readSafetensors } from '@drf/files';
import { flattenTree, type HostTensor } from '@drf/tensor';
import { createDisplay } from './display.js';
import { shareRun } from './distributed.js';
import { train, type TrainOptions, type TrainResult, type TrainServices } from './train.js';

const LAYERS = 3;
const STEPS = 4; // two epochs of 10 posts, 6 a step

let folder: string;
/** A training of the usual configuration, which simulates disruptions, and its cache; several tests compare with it. */
let usual: TrainResult;
let usualCache: string;
const names = { image: '', text: '' };
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'drf-cached-states-'));
  const config = { num_hidden_layers: LAYERS };
  names.image = `huggingface:${await writeTinyVit(join(folder, 'vit'), { config })}`;
  names.text = `huggingface:${await writeTinyBert(join(folder, 'bert'), { config })}`;
  usualCache = join(folder, 'usual-cache');
  usual = await run(configOf(), { cache: usualCache });
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** 10 embedded posts under two tiny transformers whose last layer is trained, BERT with its dropout of 0.1. */
function configOf(
  overrides: { training?: { simulation?: object; [name: string]: unknown }; encoders?: object; method?: string } = {},
): ExperimentConfig {
  const { training, encoders, method = 'drf' } = overrides;
  return parseExperiment(
    {
      name: 'tiny',
      method,
      seed: 2,
      engine: 'eager:cpu',
      dataset: { name: 'embedded', imageSize: 16, limit: 10 },
      encoders: {
        ...names,
        trainable: { image: true, text: true },
        trainableLayers: { image: 1, text: 1 },
        ...encoders,
      },
      model: { dim: 6, queueCapacity: 16, gaussianRank: 2, standardize: true },
      compared: { width: 8, heads: 2, words: 6, objects: 3, scenes: 2 },
      training: {
        epochs: 2,
        batchSize: 6,
        learningRate: 1e-2,
        encoderLearningRate: 5e-3,
        keepCheckpoints: 9,
        ...training,
        simulation: { draws: 2, share: 0.8, discard: 0.5, ...training?.simulation },
      },
    },
    'tiny',
  );
}

type Settings = Partial<TrainOptions> & { readonly folder?: string };

async function run(config: ExperimentConfig, settings: Settings = {}): Promise<TrainResult> {
  const { folder: own = join(await mkdtemp(join(folder, 'run-')), 'run'), ...options } = settings;
  return train({
    config,
    run: options.resume ? await RunFolder.open(own) : await RunFolder.create(own, { overwrite: false }),
    resume: false,
    cache: join(own, '..', 'cache'),
    display: createDisplay(true),
    ...options,
  });
}

const whole = (config: ExperimentConfig): ExperimentConfig => ({
  ...config,
  encoders: { ...config.encoders, cacheStates: false },
});

/** States in full precision, as no option has them: rounding alone shall tell a cached training from another. */
const inFullPrecision =
  (cache: string): TrainServices['startSession'] =>
  async (config, options) =>
    withCachedStates(await startSession(config, options), config, { cache, storage: 'float32' });

async function losses({ run: path }: TrainResult): Promise<number[]> {
  const rows = (await readFile(join(path, 'metrics.jsonl'), 'utf8')).trim().split('\n');
  return rows.map((row) => JSON.parse(row) as { total?: number; trainLoss?: number; valLoss?: number }).flatMap(({ total, trainLoss, valLoss }) => [total, trainLoss, valLoss].filter((loss) => loss !== undefined)); // prettier-ignore
}

const checkpoint = ({ run: path }: TrainResult, step = STEPS) =>
  readSafetensors(join(path, 'checkpoints', `step-${step}.safetensors`));

/** The largest difference of a trained parameter, relative to the largest number in it. */
async function difference(first: TrainResult, second: TrainResult): Promise<number> {
  const [one, two] = [await checkpoint(first), await checkpoint(second)];
  expect([...one.tensors.keys()]).toEqual([...two.tensors.keys()]);
  let most = 0;
  for (const [name, { data }] of one.tensors) {
    if (!name.startsWith('state.parameters.trained.')) continue;
    const other = two.tensors.get(name)?.data ?? expect.fail(name);
    const scale = Math.max(...data.map(Math.abs), 1e-3);
    most = Math.max(most, ...Array.from(data, (value, i) => Math.abs(value - (other[i] as number)) / scale));
  }
  return most;
}

async function assertLossesAlike(first: TrainResult, second: TrainResult, tolerance: number): Promise<void> {
  const [due, received] = [await losses(first), await losses(second)];
  expect(received.length).toBe(due.length);
  received.forEach((loss, i) => expect(Math.abs(loss / (due[i] as number) - 1)).toBeLessThan(tolerance));
}

/** Equal but for the order in which float32 numbers are added. */
async function assertAlike(first: TrainResult, second: TrainResult): Promise<void> {
  await assertLossesAlike(first, second, 1e-5);
  expect(await difference(first, second)).toBeLessThan(1e-3); // Adam divides small gradients by their size
}

const RELATIVE_IN_HALF = 5e-3;

describe('training on cached hidden states', () => {
  it('is training without, but for rounding, which is small in half precision', async () => {
    const config = configOf();
    const without = await run(whole(config));
    await assertAlike(without, await run(config, { services: { startSession: inFullPrecision(join(folder, 'exact')) } })); // prettier-ignore
    await assertLossesAlike(without, usual, RELATIVE_IN_HALF);
    expect((await checkpoint(usual)).metadata.leftOut).toBe((await checkpoint(without)).metadata.leftOut);
  });

  it.each([
    ['drf', { simulation: { share: 0 }, disruption: 'random:0.6:C+D', accumulate: 2 }],
    ['clmlf', {}],
  ])('is training without: %s %o', async (method, training) => {
    const config = configOf({ method, training });
    const services = { startSession: inFullPrecision(join(folder, `exact-${method}`)) };
    await assertAlike(await run(whole(config)), await run(config, { services }));
  });

  it('trains a method of one modality, of which nothing below is asked, and opens it again', async () => {
    const labels: string[] = [];
    const display = createDisplay(true);
    const job: typeof display.job = (label, unit) => (labels.push(label), display.job(label, unit));
    const result = await run(configOf({ method: 'image-only', training: { simulation: { share: 0.5 } } }), { display: { ...display, job } }); // prettier-ignore
    expect(labels.filter((label) => /texts/.test(label))).toEqual([]);
    const { parameters } = await openRun(result.run);
    const names = [parameters.trained, parameters.fixed ?? {}].flatMap((tree) => [
      ...flattenTree<HostTensor>(tree).keys(),
    ]);
    expect(names).toContain('encoders.image.embeddings.position');
    expect(names.filter((name) => name.startsWith('encoders.text'))).toEqual([]);
  });

  it('goes on from the middle as if it had not stopped, also where the cache is gone', async () => {
    const config = configOf();
    const controller = new AbortController();
    const display = createDisplay(true);
    const stopped = await run(config, {
      signal: controller.signal,
      display: { ...display, onStep: ({ step }) => void (step === 3 && controller.abort(new Error('stop'))) },
    });
    expect(stopped.outcome).toBe('interrupted');
    await rm(join(stopped.run, '..', 'cache'), { recursive: true });
    const resumed = await run(config, { folder: stopped.run, resume: true });
    const [due, received] = await Promise.all(
      [usual, resumed].map((each) => readFile(join(each.run, 'checkpoints', `step-${STEPS}.safetensors`))),
    );
    expect(received?.equals(due as Buffer)).toBe(true);
  });

  it('is in two ranks what it is in one process that accumulates two parts, each having computed its share', async () => {
    const one = await run(configOf({ training: { accumulate: 2 } }));
    const cache = join(folder, 'of-ranks');
    const path = join(await mkdtemp(join(folder, 'ranks-')), 'run');
    const encoded = [0, 0];
    const [two] = await Promise.all(
      inProcess(2).map(async (collective) => {
        const shared = await shareRun(collective, () => RunFolder.create(path, { overwrite: false }));
        const display = createDisplay(true);
        const job: typeof display.job = (label) => ({ update: () => void (/frozen/.test(label) && (encoded[collective.rank] = 1)), stop: () => undefined }); // prettier-ignore
        const config = configOf();
        const result = await train({ config, run: shared.run, resume: false, cache, display: { ...display, job }, distributed: { collective } }); // prettier-ignore
        await collective.close();
        await shared.release();
        return result;
      }),
    );
    expect(encoded).toEqual([1, 1]);
    await assertLossesAlike(one, two as TrainResult, 1e-4);
    expect((await checkpoint(two as TrainResult)).metadata.leftOut).toBe((await checkpoint(one)).metadata.leftOut);
  });

  it('computes nothing below the first trained layer a second time', async () => {
    const before = await readdir(usualCache, { recursive: true });
    await run({ ...configOf({ training: { epochs: 1 } }), seed: 3 }, { cache: usualCache });
    expect(await readdir(usualCache, { recursive: true })).toEqual(before); // a process that computes begins a segment
    expect(before.filter((name) => /below-2/.test(name) && name.endsWith('.rows')).length).toBeGreaterThan(2);
  });

  it('keeps parameters below out of step and optimizer, and gives a run that holds or names them all', async () => {
    const config = configOf({ training: { checkpointFrozen: true, epochs: 1 } });
    const full = await run(config);
    const { tensors } = await checkpoint(full, STEPS / 2);
    const frozen = [...tensors.keys()].filter((name) => name.startsWith('state.parameters.fixed.encoders.'));
    expect(frozen).toContain('state.parameters.fixed.encoders.text.embeddings.word');
    expect(frozen).toContain('state.parameters.fixed.encoders.image.layers.1.mlp.up.kernel');
    const moments = [...tensors.keys()].filter((name) => name.startsWith('state.moments.first.encoders.'));
    expect(moments.length).toBeGreaterThan(0);
    expect(moments.filter((name) => /embeddings|layers\.[01]\./.test(name))).toEqual([]);
    expect([...(await checkpoint(usual)).tensors.keys()].some((name) => /layers\.[01]\./.test(name))).toBe(false);
    for (const { run: path } of [full, usual]) {
      const opened = await openRun(path); // with whole encoders, out of their folders
      expect(opened.method.beneath).toBeUndefined();
      const fixed = [...flattenTree<HostTensor>(opened.parameters.fixed ?? {}).keys()];
      expect(fixed).toContain('encoders.text.layers.1.mlp.up.kernel');
      expect(fixed).toContain('encoders.image.embeddings.position');
    }
    const session = withCachedStates(await startSession(config), config, { cache: join(folder, 'unused') });
    const { text } = session;
    if (!isUpper(text)) throw new Error('an upper encoder is due');
    expect(Object.keys(text.initialParameters)).not.toContain('embeddings');
    expect(Object.keys(text.beneath)).toContain('embeddings');
    await session.dispose();
  });
});
