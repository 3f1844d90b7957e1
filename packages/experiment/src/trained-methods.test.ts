import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import { createEngine } from '@drf/engine';
import {
  openEncoder,
  openTrainableEncoder,
  tokenLayoutOf,
  tokenRowEncoder,
  type TrainableEncoder,
  type FrozenEncoder,
} from '@drf/encoders';
import { writeTinyBert, writeTinyVit } from '@drf/encoders/testing';
import { ADAMW_DEFAULTS, prepareTraining, stepSchedule } from '@drf/model';
import { createRandom, hostTensor, type Engine, type HostTensor, type Modality } from '@drf/tensor';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import {
  createEncodedMethod,
  METHOD_NAMES,
  gatherBatch,
  measureExperimentGraphs,
  measureFeatures,
  measureTokens,
  memoryRows,
  methodNeeds,
  methodShapes,
  parseExperiment,
  tokenRows,
  trainedEncoders,
  withInitialFeatures,
  type Content,
  type ContentRows,
  type MeasurableSet,
  type ModalityRows,
  type PostSet,
  type Session,
} from './index.js';

const POSTS = 5;
const CLASSES = 3;
/** 14 × 14 places beside a class token, as many as a ViT-B/16 has. */
const VIT = { image_size: 28, patch_size: 2, num_hidden_layers: 1 };
const BERT = { max_position_embeddings: 64, num_hidden_layers: 1 };
const TEXT_LENGTHS = [32, 64];
const WORDS = ['good', 'bad', 'day', 'movie', 'the', 'a'];

let folder: string;
const names = { image: '', text: '' };
const engines = new Map<string, Engine>();

// tfjs, when told that it is tested, takes what a gradient of several kernels holds in wasm for a leak
const flags = (isTest: boolean): void => tf.env().setFlags({ ...tf.env().getFlags(), IS_TEST: isTest, PROD: !isTest });

beforeEach(() => flags(false));
beforeAll(async () => {
  flags(false);
  folder = await mkdtemp(join(tmpdir(), 'drf-trained-methods-'));
  names.image = `huggingface:${await writeTinyVit(join(folder, 'vit'), { config: VIT })}`;
  names.text = `huggingface:${await writeTinyBert(join(folder, 'bert'), { config: BERT })}`;
  for (const name of ['compiled', 'eager:wasm']) engines.set(name, await createEngine(name));
});
afterAll(async () => {
  flags(true);
  for (const engine of engines.values()) await engine.dispose();
  await rm(folder, { recursive: true, force: true });
});

type Trained = 'both' | Modality;

async function openSession(engine: Engine, trained: Trained): Promise<Session> {
  const options = { textLengths: TEXT_LENGTHS };
  const open = (modality: Modality) =>
    trained === 'both' || trained === modality
      ? openTrainableEncoder(names[modality], modality, options)
      : openEncoder(names[modality], modality, engine, options);
  const [image, text] = [await open('image'), await open('text')];
  const dispose = async (): Promise<void> => {
    await image.dispose();
    await text.dispose();
  };
  return { engine, image, text, dispose } as Session;
}

/** Random images, and texts of which the longest is padded to `length` word pieces. */
function contentsOf(modality: Modality, length: number): Content[] {
  const random = createRandom(7).fork(modality);
  return Array.from({ length: POSTS }, (_, post) => {
    if (modality === 'image') {
      return { width: 28, height: 28, data: Uint8Array.from({ length: 28 * 28 * 3 }, () => random.integer(256)) };
    }
    const words = post === 0 ? length - 4 : 1 + random.integer(length / 2);
    return Array.from({ length: words }, () => WORDS[random.integer(WORDS.length)] as string).join(' ');
  });
}

/** The posts as a data set would give them: what is trained as contents, what is frozen as features and tokens. */
async function postsOf(session: Session, length: number): Promise<PostSet> {
  const available = new Float32Array(POSTS).fill(1);
  const modality = async (name: Modality): Promise<ModalityRows> => {
    const encoder = session[name] as TrainableEncoder<Content> | FrozenEncoder<Content>;
    const contents = contentsOf(name, length);
    if (encoder.trainable) {
      const rows: ContentRows = {
        lengths: new Int32Array(POSTS),
        gather: async (indices) => ({
          inputs: await encoder.preprocess(indices.map((index) => contents[index] as Content)),
          unreadable: [],
        }),
      };
      return { rows, available };
    }
    const tokens = memoryRows(await tokenRowEncoder(encoder).encode(contents));
    const rows = memoryRows(await encoder.encode(contents));
    return { rows, available, tokens: tokenRows(tokens, tokenLayoutOf(encoder)) };
  };
  return {
    ids: Array.from({ length: POSTS }, (_, i) => `post-${i}`),
    labels: Int32Array.from({ length: POSTS }, (_, i) => i % CLASSES),
    image: await modality('image'),
    text: await modality('text'),
  };
}

interface Outcome {
  readonly totals: readonly number[];
  readonly probabilities: readonly number[];
}

/** Two training steps and a judgment. */
async function trainOnce(
  method: string,
  engine: Engine,
  trained: Trained,
  length: number,
  preset = 'compact',
): Promise<Outcome> {
  const config = parseExperiment(
    {
      name: 'tiny',
      method,
      seed: 3,
      dataset: { name: 'embedded' },
      model: { dim: 8, queueCapacity: 8, standardize: true, gaussianRank: 2 },
      compared: { preset, width: 8, heads: 2, words: 6, objects: 3, scenes: 2 },
    },
    'tiny',
  );
  const session = await openSession(engine, trained);
  const set = await postsOf(session, length);
  const needs = methodNeeds(config);
  const measure = async (initial: MeasurableSet) => ({
    standardization: await measureFeatures(initial),
    tokenStandardization: await measureTokens(initial),
  });
  const model = createEncodedMethod(
    config,
    {
      ...methodShapes(session, CLASSES, needs),
      ...(await withInitialFeatures(session, set, measure, undefined, needs)),
    },
    trainedEncoders(session),
    await measureExperimentGraphs(config, session, set),
  );
  const { batch, labels } = await gatherBatch(set, [...Array(POSTS).keys()]);
  const program = await prepareTraining(engine, model, model.initialParameters(createRandom(1)), ADAMW_DEFAULTS);
  try {
    const memory = model.createMemory();
    const totals: number[] = [];
    for (let step = 0; step < 2; step++) {
      const schedule = stepSchedule(step, 4, { encoder: 1e-3, head: 1e-2, floor: 0 }, ADAMW_DEFAULTS);
      const { observations, total } = await program.learn({ batch, labels, memory: memory.inputs(), schedule });
      memory.update(observations);
      totals.push(total.data[0] as number);
    }
    const { probabilities } = await program.judge({ batch, memory: memory.inputs() });
    return { totals, probabilities: [...probabilities.data] };
  } finally {
    await program.dispose();
    await session.dispose();
  }
}

const engineOf = (name: string): Engine => engines.get(name) as Engine;

describe('methods over trained encoders', () => {
  it('are told as many tokens as the encoders give: places without the class token, pieces of the longest text', async () => {
    const session = await openSession(engineOf('compiled'), 'both');
    expect(methodShapes(session, CLASSES, { tokens: true }).tokens).toEqual({
      image: { count: 196, dim: 8 },
      text: { count: 64, dim: 8 },
    });
    const set = await postsOf(session, 32);
    const all = [...Array(POSTS).keys()];
    await withInitialFeatures(
      session,
      set,
      async (initial) => {
        const [image, text] = [await initial.image.tokens?.gather(all), await initial.text.tokens?.gather(all)];
        expect([image?.tokens.shape, text?.tokens.shape]).toEqual([
          [POSTS, 196, 8],
          [POSTS, 32, 8],
        ]);
        const { inputs } = await (set.text.rows as ContentRows).gather(all);
        const { ids, mask } = inputs as { readonly ids: HostTensor; readonly mask: HostTensor };
        expect([text?.pieces?.data, text?.mask.data]).toEqual([ids.data, mask.data]);
      },
      undefined,
      { tokens: true },
    );
  });

  const cases = METHOD_NAMES.flatMap((method) => TEXT_LENGTHS.map((length) => ({ method, length, preset: 'compact' })));
  const authors = ['clmlf', 'mgnns'].map((method) => ({ method, length: 64, preset: 'authors' }));
  it.each([...cases, ...authors])(
    '$method ($preset) learns and judges alike on both engines, 196 places and $length word pieces',
    async ({ method, length, preset }) => {
      const compiled = await trainOnce(method, engineOf('compiled'), 'both', length, preset);
      const eager = await trainOnce(method, engineOf('eager:wasm'), 'both', length, preset);
      compiled.totals.forEach((total, step) => {
        expect(Math.abs(total - (eager.totals[step] as number)) / Math.abs(total), `step ${step}`).toBeLessThan(1e-4);
      });
      compiled.probabilities.forEach((value, i) => expect(value).toBeCloseTo(eager.probabilities[i] as number, 3));
      expect(compiled.totals[1]).not.toBe(compiled.totals[0]);
    },
  );

  it.each(METHOD_NAMES.flatMap((method) => (['image', 'text'] as const).map((trained) => ({ method, trained }))))(
    '$method learns and judges with the $trained encoder trained and the other frozen',
    async ({ method, trained }) => {
      const { totals, probabilities } = await trainOnce(method, engineOf('eager:wasm'), trained, 64);
      expect(totals.every(Number.isFinite)).toBe(true);
      for (let post = 0; post < POSTS; post++) {
        const sum = probabilities
          .slice(post * CLASSES, (post + 1) * CLASSES)
          .reduce((total, value) => total + value, 0);
        expect(sum).toBeCloseTo(1, 5);
      }
    },
  );

  it.each(['image', 'text'] as const)(
    'scale tokens of both modalities where the %s encoder is trained',
    async (trained) => {
      const session = await openSession(engineOf('eager:wasm'), trained);
      const set = await postsOf(session, 32);
      const moments = await withInitialFeatures(session, set, measureTokens, undefined, { tokens: true });
      const frozen = trained === 'image' ? 'text' : 'image';
      const { data, shape } = (await set[frozen].tokens?.gather([0, 1, 2, 3, 4]))?.tokens ?? hostTensor([], [0, 0, 0]);
      const width = shape[2] as number;
      const rows = Array.from({ length: data.length / width }, (_, i) => [...data.slice(i * width, (i + 1) * width)]);
      const standing = rows.filter((row) => row.some((value) => value !== 0)); // padding is zeros
      const mean = standing.reduce((sum, row) => sum + (row[0] as number), 0) / standing.length;
      expect(moments?.[frozen].mean[0]).toBeCloseTo(mean, 4);
      expect([...(moments?.[trained].std ?? [])].every((value) => value > 0)).toBe(true);
      await session.dispose();
    },
  );
});
