import { createEngine } from '@drf/engine';
import type { ImageEncoder, TextEncoder } from '@drf/encoders';
import { createMethod, parseExperiment, type Session } from '@drf/experiment';
import { putDiscriminants, unfittedDiscriminants, type DiscriminantParameters } from '@drf/model';
import {
  createRandom,
  DataError,
  hostScalar,
  hostTensor,
  type Host,
  type HostTensor,
  type HostTree,
  type RgbImage,
} from '@drf/tensor';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { RunJudge } from './run-judge.js';

const classes = ['positive', 'negative'];
const shapes = { imageDim: 3, textDim: 4, classes: 2 };

function image(seed: number): RgbImage {
  const random = createRandom(seed);
  return { width: 2, height: 2, data: Uint8Array.from({ length: 12 }, () => random.integer(256)) };
}

/** Encoders that count what they are asked, and of which one content's feature depends on nothing else. */
function tinySession(engine: Session['engine'], seen: unknown[][]): Session {
  const rows = (features: readonly number[][], dim: number): Promise<HostTensor> => {
    return Promise.resolve(hostTensor(features.flat(), [features.length, dim]));
  };
  const common = { trainable: false, preprocess: () => Promise.resolve({}), dispose: () => Promise.resolve() } as const;
  const images: ImageEncoder = {
    ...common,
    id: 'tiny-image',
    modality: 'image',
    outputDim: 3,
    encode: (contents) => {
      seen.push([...contents]);
      return rows(contents.map(({ data }) => [0, 1, 2].map((i) => (data[i] as number) / 128 - 1)), 3); // prettier-ignore
    },
  };
  const texts: TextEncoder = {
    ...common,
    id: 'tiny-text',
    modality: 'text',
    maskToken: '<mask>',
    outputDim: 4,
    encode: (contents) => {
      seen.push([...contents]);
      return rows(contents.map((text) => ['a', 'e', 'i', 'o'].map((letter) => text.split(letter).length / 4 - 1)), 4); // prettier-ignore
    },
  };
  return { engine, image: images, text: texts, dispose: () => Promise.resolve() };
}

/** Discriminants by which an image is intact by its first number, and a text by the sum of its vowels; or by nothing. */
function discriminants(image: readonly number[], text: readonly number[]): Host<DiscriminantParameters> {
  const none = unfittedDiscriminants(shapes);
  const quality = (kernel: readonly number[], bias: number) => ({ kernel: hostTensor(kernel, [kernel.length, 1]), bias: hostTensor([bias], [1]) }); // prettier-ignore
  return {
    ...none,
    image: { ...none.image, quality: quality(image, 0.25) },
    text: { ...none.text, quality: quality(text, 1) },
    share: hostScalar(0.5),
  };
}

function tinyRun(name: 'drf' | 'concatenation', encoders = { image: 'tiny-image', text: 'tiny-text' }) {
  const config = parseExperiment(
    {
      name: 'tiny',
      method: name,
      dataset: { name: 'embedded', imageSize: 16 },
      model: { dim: 4, queueCapacity: 8, discriminants: name === 'drf' ? 0.5 : 0 },
    },
    'tiny',
  );
  const method = createMethod(config, shapes);
  const memory = method.createMemory();
  const random = createRandom(5);
  const observed = (width: number): HostTree => ({
    features: hostTensor(Array.from({ length: 32 }, () => random.normal()), [8, 4]),
    encoded: hostTensor(new Float32Array(8 * width).fill(1), [8, width]),
    admitted: hostTensor(new Float32Array(8).fill(1), [8]),
  }); // prettier-ignore
  memory.update({ image: observed(shapes.imageDim), text: observed(shapes.textDim) });
  return {
    folder: { path: '/runs/tiny' },
    description: { config, classes, encoders, shapes },
    method,
    parameters: method.initialParameters(createRandom(1)),
    memory: memory.inputs(),
    checkpoint: '/runs/tiny/checkpoints/step-1.safetensors',
  };
}

let engine: Session['engine'];
beforeAll(async () => void (engine = await createEngine('eager:cpu')));
afterAll(() => engine.dispose());

describe('RunJudge', () => {
  it('gives the same verdict whatever else is judged, in whatever order, and at once', async () => {
    const judge = await RunJudge.of(tinyRun('drf'), tinySession(engine, []), null);
    const posts = [
      { image: image(1), text: 'a rose' },
      { image: null, text: 'oh' },
      { image: image(2), text: null },
      { image: image(3), text: ' ' },
    ];
    const together = await Promise.all(posts.map((post) => judge.judge(post)));
    for (const [i, post] of [...posts.entries()].reverse()) expect(await judge.judge(post)).toEqual(together[i]);
    expect(together.map(({ recovered }) => recovered)).toEqual([null, 'image', 'text', 'text']);
    for (const { probabilities, pairWeights } of together) {
      for (const shares of [probabilities, pairWeights ?? {}]) {
        expect(Object.values(shares).reduce((a, b) => a + b, 0)).toBeCloseTo(1, 9);
      }
    }
    await judge.close();
  });

  it('encodes one content at a time, and nothing for what is missing', async () => {
    const seen: unknown[][] = [];
    const judge = await RunJudge.of(tinyRun('drf'), tinySession(engine, seen), null);
    expect(judge.info.preferredBatch).toBe(1);
    await Promise.all([judge.judge({ image: null, text: 'x' }), judge.judge({ image: image(1), text: null })]);
    expect(seen.map((contents) => contents.length)).toEqual([1, 1]);
    await Promise.all(['a', 'b', 'c'].map((text) => judge.judge({ image: null, text })));
    expect(seen.slice(2)).toEqual([['a'], ['b'], ['c']]);
    await judge.close();
  });

  it('encodes contents together by encoders for which that makes no difference', async () => {
    const seen: unknown[][] = [];
    const session = tinySession(engine, seen);
    const judge = await RunJudge.of(
      tinyRun('drf'),
      { ...session, text: { ...session.text, isBatchInvariant: true } as TextEncoder },
      null,
    );
    expect(judge.info.preferredBatch).toBe(64);
    const texts = ['a rose', 'oh', 'a', 'ee', '!'];
    const judgments = await Promise.all(texts.map((text, i) => judge.judge({ image: image(i), text })));
    expect(seen.filter((contents) => typeof contents[0] === 'string')).toEqual([texts]);
    expect(seen.filter((contents) => typeof contents[0] !== 'string').map(({ length }) => length)).toEqual([1, 1, 1, 1, 1]); // prettier-ignore
    for (const [i, text] of texts.entries()) expect(await judge.judge({ image: image(i), text })).toEqual(judgments[i]);
    await judge.close();
  });

  it('refuses a post without anything, and goes on with the next', async () => {
    const judge = await RunJudge.of(tinyRun('drf'), tinySession(engine, []), null);
    await expect(judge.judge({ image: null, text: '' })).rejects.toThrow('The post expected text or an image, or both, received neither'); // prettier-ignore
    expect((await judge.judge({ image: null, text: 'x' })).label).toMatch(/positive|negative/);
    await judge.close();
  });

  it.each(['image', 'text'] as const)(
    'refuses a post for which the %s encoder gives NaN, and goes on',
    async (broken) => {
      const session = tinySession(engine, []);
      const encode = (contents: readonly unknown[]) =>
      Promise.resolve(hostTensor(new Float32Array(contents.length * (broken === 'image' ? 3 : 4)).fill(NaN), [contents.length, broken === 'image' ? 3 : 4])); // prettier-ignore
      const judge = await RunJudge.of(tinyRun('drf'), { ...session, [broken]: { ...session[broken], encode } }, null);
      const both = judge.judge({ image: image(1), text: 'x' });
      await expect(both).rejects.toThrow(DataError);
      await expect(both).rejects.toThrow(`The ${broken} encoder tiny-${broken} expected finite numbers, received NaN at place 0; `); // prettier-ignore
      const other = broken === 'image' ? { image: null, text: 'x' } : { image: image(1), text: null };
      expect((await judge.judge(other)).label).toMatch(/positive|negative/);
      await judge.close();
    },
  );

  it('has encoders prepare what the first posts would wait for, and knows afterwards which posts go together', async () => {
    const session = tinySession(engine, []);
    const made: string[] = [];
    let isReady = false;
    const image = {
      ...session.image,
      get isBatchInvariant() {
        return isReady;
      },
      warmUp: async () => void (made.push('image'), (isReady = true)),
    } as typeof session.image;
    const text = { ...session.text, warmUp: async () => void made.push('text') } as typeof session.text;
    const judge = await RunJudge.of(tinyRun('drf'), { ...session, image, text }, null);
    expect(made.toSorted()).toEqual(['image', 'text']);
    expect(judge.info.preferredBatch).toBe(64);
    await judge.close();
    const failing = { ...text, warmUp: () => Promise.reject(new Error('no memory')) } as typeof session.text;
    await expect(RunJudge.of(tinyRun('drf'), { ...session, image, text: failing }, null)).rejects.toThrow('no memory');
  });

  it('judges with methods that know no pairs', async () => {
    const judge = await RunJudge.of(tinyRun('concatenation'), tinySession(engine, []), null);
    const judgment = await judge.judge({ image: image(1), text: null });
    expect([judgment.pairWeights, judgment.recovered, judgment.unfamiliar]).toEqual([null, null, null]);
    await judge.close();
  });

  it('says how likely image and text are intact: the logistic function of the discriminants’ ratio', async () => {
    const run = tinyRun('drf');
    const parameters = putDiscriminants(run.parameters, discriminants([2, 0, 0], [1, 1, 1, 1]));
    const judge = await RunJudge.of({ ...run, parameters }, tinySession(engine, []), null);
    const post = { image: image(1), text: 'aeiou' };
    const logistic = (ratio: number): number => 1 / (1 + Math.exp(-ratio));
    const expected = {
      image: expect.closeTo(logistic(2 * ((post.image.data[0] as number) / 128 - 1) + 0.25), 6) as number,
      text: expect.closeTo(logistic(4 * (2 / 4 - 1) + 1), 6) as number, // each vowel once: 2 / 4 − 1
    };
    expect((await judge.judge(post)).intact).toEqual(expected);
    expect((await judge.judge({ ...post, text: null })).intact).toEqual({ ...expected, text: null });
    expect((await judge.judge({ ...post, image: null })).intact).toEqual({ ...expected, image: null });
    await judge.close();
  });

  it('does not say it by discriminants that are not fitted, or to one state alone, nor without any', async () => {
    const [fitted, other] = [tinyRun('drf'), tinyRun('concatenation')];
    const constant = putDiscriminants(fitted.parameters, discriminants([2, 0, 0], [0, 0, 0, 0]));
    const one = { image: expect.any(Number) as number, text: null };
    for (const [run, expected] of [[fitted, { image: null, text: null }], [{ ...fitted, parameters: constant }, one], [other, { image: null, text: null }]] as const) {
      const judge = await RunJudge.of(run, tinySession(engine, []), null);
      expect((await judge.judge({ image: image(1), text: 'aeiou' })).intact).toEqual(expected);
      await judge.close();
    }
  }); // prettier-ignore

  it('refuses encoders that are not those of the run', async () => {
    const other = tinyRun('drf', { image: 'another', text: 'tiny-text' });
    await expect(RunJudge.of(other, tinySession(engine, []), null)).rejects.toThrow(
      'Run /runs/tiny, image encoder expected "another", with which it was trained, received "tiny-image"',
    );
  });
});
