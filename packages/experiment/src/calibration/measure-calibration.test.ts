// Quality is a percentile: of posts that nothing was fitted to, each tenth must hold a tenth.
import { createEngine } from '@drf/engine';
import { shareBelow } from '@drf/metrics';
import { createRandom, hostTensor, MODALITIES, type Engine, type Random } from '@drf/tensor';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { memoryRows, type FeatureSet } from '../feature-set.js';
import { Judge } from '../judge/judge.js';
import { createMethod } from '../method.js';
import type { OpenedRun } from '../open-run.js';
import { parseExperiment } from '../parse.js';
import { measureCalibration, postsCalibrationJudges } from './measure-calibration.js';

const WIDTH = 160;

let engine: Engine;
beforeAll(async () => void (engine = await createEngine('eager:cpu')));
afterAll(() => engine.dispose());

/** Features along 12 directions of falling variance, with noise around them: [posts, width] a modality. */
function drawPosts(posts: number, random: Random): FeatureSet {
  const features = (name: string) => {
    const directions = createRandom(name); // the same for all sets
    const basis = Array.from({ length: 12 }, () => Float64Array.from({ length: WIDTH }, () => directions.normal()));
    const data = new Float32Array(posts * WIDTH);
    for (let post = 0; post < posts; post++) {
      const size = Math.exp(0.3 * random.normal());
      basis.forEach((direction, j) => {
        const at = (size * random.normal()) / (1 + j);
        for (let i = 0; i < WIDTH; i++) (data[post * WIDTH + i] as number) += at * (direction[i] as number);
      });
      for (let i = 0; i < WIDTH; i++) (data[post * WIDTH + i] as number) += 0.1 * size * random.normal();
    }
    return memoryRows(hostTensor(data, [posts, WIDTH]));
  };
  const ones = new Float32Array(posts).fill(1);
  return {
    ids: Array.from({ length: posts }, (_, i) => String(i)),
    labels: Int32Array.from({ length: posts }, (_, i) => i % 2),
    image: { rows: features('image'), available: ones },
    text: { rows: features('text'), available: ones },
  };
}

/**
 * A run whose memory has gone over the posts in epochs, as training does.
 * @param intact share of the posts of an epoch that no simulated disruption touches
 */
async function runOver(train: FeatureSet, epochs: number, method: 'drf' | 'drf-paper', intact = 1): Promise<OpenedRun> {
  const config = parseExperiment({ name: 'tiny', method, dataset: { name: 'embedded' }, model: { dim: 8 } }, 'tiny');
  const created = createMethod(config, { imageDim: WIDTH, textDim: WIDTH, classes: 2 });
  const parameters = created.initialParameters(createRandom(1));
  const memory = created.createMemory();
  const random = createRandom('epochs');
  for (let epoch = 0; epoch < epochs; epoch++) {
    const order = random.shuffle(Array.from(train.ids.keys()));
    const [image, text] = [await train.image.rows.gather(order), await train.text.rows.gather(order)];
    const features = hostTensor(new Float32Array(8 * order.length), [order.length, 8]);
    const admitted = hostTensor(
      Float32Array.from(order, () => (random.uniform() < intact ? 1 : 0)),
      [order.length],
    );
    memory.update({ image: { features, admitted, encoded: image }, text: { features, admitted, encoded: text } });
  }
  return {
    description: { config, classes: ['a', 'b'] },
    method: created,
    parameters,
    memory: memory.inputs(),
    refitted: memory.refitted?.bind(memory),
    checkpoint: '/runs/tiny/checkpoints/step-1.safetensors',
  } as unknown as OpenedRun;
}

/** Percentiles of new posts of the same kind. */
async function percentiles(
  train: FeatureSet,
  val: FeatureSet | undefined,
  [epochs, intact]: readonly [epochs: number, intact: number],
  random: Random,
) {
  const run = await runOver(train, epochs, 'drf', intact);
  const calibration = await measureCalibration({ engine, run, train, ...(val === undefined ? {} : { val }) });
  const judge = Judge.create(engine, run);
  const { quality } = await judge.judge(drawPosts(800, random), () => undefined);
  await judge.dispose();
  const shares = MODALITIES.flatMap((modality) =>
    [...(quality?.[modality] ?? [])].map((density) => shareBelow(calibration.quality?.[modality] ?? [], density)),
  );
  return { calibration, shares };
}

describe('postsCalibrationJudges', () => {
  const drf = { train: 3000, val: 50, hasDensities: true, isRefitted: true, isFrozen: true };
  it.each([
    ['training posts by cross-fitting, each twice, and no more than it holds', {}, 50 + 2 * 2000],
    ['fewer, too', { train: 200 }, 50 + 2 * 200],
    ['validation posts alone where they are enough', { val: 100 }, 100],
    ['fewer of them where encoders were trained on the others', { isFrozen: false, val: 10 }, 10],
    ['training posts where even these are lacking', { isFrozen: false, val: 9 }, 9 + 2 * 2000],
    ['all training posts, once, where nothing can be fitted anew', { isRefitted: false, val: 9 }, 9 + 3000],
    ['few validation posts in their place', { isRefitted: false, val: 10 }, 10],
    ['validation posts for the temperature alone', { hasDensities: false }, 50],
  ])('counts %s', (_, known, posts) => {
    expect(postsCalibrationJudges({ ...drf, ...known })).toBe(posts);
  });
});

describe('measureCalibration', () => {
  it.each([
    { train: 40, val: 5, epochs: 6, measuredOn: 'training-cross-fitted', posts: 40 },
    { train: 100, val: 12, epochs: 8, measuredOn: 'training-cross-fitted', posts: 100 },
    { train: 100, val: 12, epochs: 3, intact: 0.5, measuredOn: 'training-cross-fitted', posts: 100 },
    { train: 100, val: 0, epochs: 1, measuredOn: 'training-cross-fitted', posts: 100 },
    { train: 1500, val: 0, epochs: 2, measuredOn: 'training-cross-fitted', posts: 1500 },
    { train: 600, val: 300, epochs: 3, measuredOn: 'validation', posts: 300 },
  ])(
    'places new posts evenly: $train training posts, $val validation posts, $epochs epochs',
    { timeout: 120_000 },
    async ({ train, val, epochs, intact = 1, measuredOn, posts }) => {
      const shares: number[] = [];
      for (const seed of posts > 100 ? [1] : [1, 2]) {
        const random = createRandom(`${train} posts`).fork(seed);
        const made = drawPosts(train, random);
        const found = await percentiles(made, val === 0 ? undefined : drawPosts(val, random), [epochs, intact], random);
        shares.push(...found.shares);
        expect(found.calibration.quality).toMatchObject({ measuredOn, posts: { image: posts, text: posts } });
      }
      const mean = shares.reduce((sum, share) => sum + share, 0) / shares.length;
      const rate = shares.filter((share) => share < 1 / 200).length / shares.length;
      const sorted = shares.toSorted((a, b) => a - b);
      const distance = Math.max(...sorted.map((share, i) => Math.abs(share - (i + 0.5) / sorted.length))); // Kolmogorov–Smirnov
      expect(mean).toBeGreaterThan(0.44);
      expect(mean).toBeLessThan(0.56);
      expect(rate).toBeLessThan(2 / 200);
      expect(distance).toBeLessThan(0.12);
    },
  );

  it('finds what is of another kind all the same, with few posts', { timeout: 60_000 }, async () => {
    const random = createRandom('another kind');
    const train = drawPosts(100, random);
    const run = await runOver(train, 8, 'drf');
    const calibration = await measureCalibration({ engine, run, train });
    const strange = memoryRows(hostTensor(Float32Array.from({ length: 50 * WIDTH }, () => 3 * random.normal()), [50, WIDTH])); // prettier-ignore
    const judge = Judge.create(engine, run);
    const posts = drawPosts(50, random);
    const image = { ...posts.image, rows: strange };
    const { quality } = await judge.judge({ ...posts, image }, () => undefined);
    await judge.dispose();
    const shares = [...(quality?.image ?? [])].map((density) => shareBelow(calibration.quality?.image ?? [], density));
    expect(shares.filter((share) => share < 1 / 200).length).toBe(50);
    expect(calibration.temperature).toBeNull();
  });

  it('gives the same again', { timeout: 60_000 }, async () => {
    const train = drawPosts(30, createRandom('again'));
    const once = await measureCalibration({ engine, run: await runOver(train, 3, 'drf'), train });
    expect(await measureCalibration({ engine, run: await runOver(train, 3, 'drf'), train })).toEqual(once);
  });

  it('prefers few validation posts to training posts where nothing is cross-fitted', async () => {
    const random = createRandom('paper');
    const train = drawPosts(60, random);
    const run = await runOver(train, 1, 'drf-paper');
    const of = async (val: number) => {
      const { quality } = await measureCalibration({ engine, run, train, val: drawPosts(val, random) });
      return [quality?.measuredOn, quality?.posts.text];
    };
    expect(await of(25)).toEqual(['validation', 25]);
    expect(await of(9)).toEqual(['training', 60]);
  });
});
