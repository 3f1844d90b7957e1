import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { openDataset } from '@drf/datasets';
import { createEngine } from '@drf/engine';
import type { ImageEncoder, TextEncoder } from '@drf/encoders';
import {
  createMethod,
  encodeRecords,
  methodNeeds,
  methodShapes,
  parseExperiment,
  Predictor,
  type FrozenSession,
} from '@drf/experiment';
import { createRandom, hostTensor, type Engine } from '@drf/tensor';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { RunJudge } from './run-judge.js';

/** Encoders whose tokens are the corners of an image, and the letters of a text. */
function tokenSession(engine: Engine): FrozenSession {
  const common = { trainable: false, preprocess: async () => ({}), dispose: async () => undefined } as const;
  const image: ImageEncoder = {
    ...common,
    id: 'corners',
    modality: 'image',
    outputDim: 3,
    tokenDim: 3,
    encode: async (images) =>
      hostTensor(
        images.flatMap(({ data }) => [0, 1, 2].map((channel) => (data[channel] as number) / 128 - 1)),
        [images.length, 3],
      ),
    encodeTokens: async (images) => ({
      tokens: hostTensor(
        images.flatMap(({ data }) => [...data.subarray(0, 6), ...data.subarray(-6)].map((value) => value / 128 - 1)),
        [images.length, 4, 3],
      ),
      mask: hostTensor(new Float32Array(images.length * 4).fill(1), [images.length, 4]),
    }),
  };
  const codes = (text: string): number[] => [...text].map((letter) => (letter.codePointAt(0) as number) % 32);
  const text: TextEncoder = {
    ...common,
    id: 'letters',
    modality: 'text',
    maskToken: '[MASK]',
    outputDim: 2,
    tokenDim: 2,
    encode: async (texts) => hostTensor(texts.flatMap((content) => [content.length / 40, 1]), [texts.length, 2]), // prettier-ignore
    encodeTokens: async (texts) => {
      const length = Math.max(...texts.map((content) => codes(content).length));
      const rows = texts.map((content) => Array.from({ length }, (_, i) => codes(content)[i] ?? 0));
      const stands = texts.map((content) => Array.from({ length }, (_, i) => (i < codes(content).length ? 1 : 0)));
      const shape = [texts.length, length];
      return {
        tokens: hostTensor(rows.flatMap((row) => row.flatMap((code) => [code / 16 - 1, 0.5])), [...shape, 2]), // prettier-ignore
        mask: hostTensor(stands.flat(), shape),
        pieces: hostTensor(Int32Array.from(rows.flat()), shape),
      };
    },
  };
  return { engine, image, text, dispose: async () => undefined };
}

function tinyRun(method: string, session: FrozenSession) {
  const config = parseExperiment(
    {
      name: 'tiny',
      method,
      dataset: { name: 'embedded', imageSize: 16 },
      model: { dim: 8 },
      compared: { heads: 2, width: 8, words: 16, objects: 4, scenes: 4 },
    },
    'tiny',
  );
  const classes = ['positive', 'neutral', 'negative'];
  const shapes = methodShapes(session, classes.length, methodNeeds(config));
  const built = createMethod(config, shapes);
  return {
    folder: { path: '/runs/tiny' },
    description: { config, classes, encoders: { image: 'corners', text: 'letters' }, shapes },
    method: built,
    parameters: built.initialParameters(createRandom(3)),
    memory: built.createMemory().inputs(),
    checkpoint: fileURLToPath(import.meta.url), // any file: its hash is told
  };
}

describe('RunJudge with methods that read tokens', () => {
  let engine: Engine;
  let cache: string;
  beforeAll(async () => {
    engine = await createEngine('eager:cpu');
    cache = await mkdtemp(join(tmpdir(), 'drf-tokens-'));
  });
  afterAll(async () => {
    await engine.dispose();
    await rm(cache, { recursive: true });
  });

  it.each(['hsan', 'mvan', 'mgnns', 'clmlf', 'mvcn'])(
    '%s: says of whole and of partial posts what evaluation says',
    async (method) => {
      const session = tokenSession(engine);
      const run = tinyRun(method, session);
      const dataset = await openDataset({ name: 'embedded', imageSize: 16, embedded: { train: 3, val: 0, test: 0 } });
      const judge = await RunJudge.of(run, session, null);
      const predictor = Predictor.create(engine, run.method);
      for (const missing of ['nothing', 'image', 'text'] as const) {
        // posts that never had a text: where an evaluation discards one, its number of words is known
        const withoutTexts = new Proxy(dataset, {
          get: (target, name): unknown => {
            if (name === 'readText') return () => Promise.resolve(null);
            const value: unknown = Reflect.get(target, name);
            return typeof value === 'function' ? (value as (...values: unknown[]) => unknown).bind(target) : value;
          },
        });
        const { set } = await encodeRecords({
          dataset: missing === 'text' ? withoutTexts : dataset,
          records: dataset.records,
          strategy:
            missing === 'image' ? { kind: 'modality-fixed', modality: 'image', setting: 'D' } : { kind: 'none' },
          seed: 1,
          session,
          cache,
          needs: run.method.needs,
        });
        const expected = await predictor.predict(set, run.parameters, run.memory);
        for (const [i, record] of dataset.records.entries()) {
          const { image, text } = await dataset.read(record);
          const judgment = await judge.judge({
            image: missing === 'image' ? null : image,
            text: missing === 'text' ? null : text,
          });
          const [...wanted] = expected.row(i);
          Object.values(judgment.probabilities).forEach((p, k) => expect(p).toBeCloseTo(wanted[k] as number, 5));
          expect([judgment.pairWeights, judgment.recovered, judgment.unfamiliar]).toEqual([null, null, null]);
        }
      }
      await predictor.dispose();
      await judge.close();
    },
  );

  it('says which encoder has no tokens', async () => {
    const session = tokenSession(engine);
    const run = tinyRun('hsan', session);
    const pooled = { ...session.text };
    Reflect.deleteProperty(pooled, 'encodeTokens');
    await expect(RunJudge.of(run, { ...session, text: pooled }, null)).rejects.toThrow(
      'Encoder "letters" expected token-level outputs, which the method reads, received pooled features only; choose another encoder, or the method drf or concatenation',
    );
  });
});
