import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { openDataset, type Dataset } from '@drf/datasets';
import { TOKEN_LAYOUTS, type ImageEncoder, type TextEncoder } from '@drf/encoders';
import { formatStrategy } from '@drf/disruption';
import type { EncodedBatchInputs } from '@drf/model';
import { hostTensor, type Engine, type RgbImage, type Host, type Modality } from '@drf/tensor';
import {
  encodeRecords,
  encodeSimulated,
  type EncodedRecords,
  type EncodeOptions,
  gatherBatch,
  measureTokens,
  methodShapes,
  selectPosts,
  Simulation,
  type FrozenSession,
} from './index.js';

const PIECES = TOKEN_LAYOUTS.text.count;

/** Features: brightness of an image, characters of a text. Tokens: two places; a token a word, its length. */
function wordSession(): FrozenSession & { readonly counts: { tokens: number } } {
  const counts = { tokens: 0 };
  const brightness = ({ data }: RgbImage): number => data.reduce((sum, value) => sum + value, 0) / data.length;
  const base = { trainable: false, outputDim: 1, tokenDim: 2, preprocess: async () => ({}), dispose: async () => {} };
  const image: ImageEncoder = {
    ...base,
    trainable: false,
    id: 'test:places',
    modality: 'image',
    encode: async (images) => hostTensor(images.map(brightness), [images.length, 1]),
    encodeTokens: async (images) => {
      counts.tokens += images.length;
      const tokens = images.flatMap((content) => [brightness(content), 1, 2, 3]);
      return {
        tokens: hostTensor(tokens, [images.length, 2, 2]),
        mask: hostTensor(new Float32Array(images.length * 2).fill(1), [images.length, 2]),
      };
    },
  };
  const text: TextEncoder = {
    ...base,
    trainable: false,
    id: 'test:words',
    modality: 'text',
    maskToken: '[MASK]',
    encode: async (texts) =>
      hostTensor(
        texts.map((content) => content.length),
        [texts.length, 1],
      ),
    encodeTokens: async (texts) => {
      const rows = texts.map((content) => content.split(/\s+/).filter((word) => word !== ''));
      const length = Math.max(1, ...rows.map((words) => words.length));
      const tokens = new Float32Array(texts.length * length * 2);
      const mask = new Float32Array(texts.length * length);
      const pieces = new Int32Array(texts.length * length);
      rows.forEach((words, post) =>
        words.forEach((word, i) => {
          tokens.set([word.length, 1], (post * length + i) * 2);
          mask[post * length + i] = 1;
          pieces[post * length + i] = 4000 + word.length;
        }),
      );
      const shape = [texts.length, length];
      return {
        tokens: hostTensor(tokens, [...shape, 2]),
        mask: hostTensor(mask, shape),
        pieces: hostTensor(pieces, shape),
      };
    },
  };
  return { engine: {} as Engine, image, text, counts, dispose: async () => {} };
}

describe('encodeRecords for methods that ask for more', () => {
  let dataset: Dataset;
  let cache: string;
  beforeAll(async () => {
    dataset = await openDataset({ name: 'embedded', imageSize: 16 });
    cache = await mkdtemp(join(tmpdir(), 'drf-cache-'));
  });

  const encode = (
    session: FrozenSession,
    modality: 'image' | 'text',
    needs: { tokens?: boolean; bothModalities?: boolean },
  ) =>
    encodeRecords({
      dataset,
      records: dataset.records.slice(0, 6),
      strategy: { kind: 'modality-fixed', modality, setting: 'D' },
      seed: 1,
      session,
      cache,
      needs,
    });

  it('gives tokens with masks and pieces, cached, and none for a missing modality', async () => {
    const session = wordSession();
    const { set } = await encode(session, 'image', { tokens: true });
    const { batch } = await gatherBatch(set, [0, 3]);
    const text = await dataset.readText(dataset.records[3] as never);
    const words = (text as string).split(/\s+/);
    const { tokens, mask, pieces } = batch.text.tokens ?? expect.fail('no text tokens');
    expect([tokens.shape, mask.shape, pieces?.shape]).toEqual([[2, PIECES, 2], [2, PIECES], [2, PIECES]]); // prettier-ignore
    expect([...mask.data].slice(PIECES).filter((stands) => stands === 1)).toHaveLength(words.length);
    words.forEach((word, i) => {
      expect([...tokens.data.subarray((PIECES + i) * 2, (PIECES + i + 1) * 2)]).toEqual([word.length, 1]);
      expect(pieces?.data[PIECES + i]).toBe(4000 + word.length);
    });
    expect([...batch.image.available.data]).toEqual([0, 0]);
    expect(batch.image.tokens?.mask.data.every((value) => value === 0)).toBe(true);
    expect(session.counts.tokens).toBe(0);
    const moments = (await measureTokens(set)) ?? expect.fail('no moments');
    expect(moments.text.mean[1]).toBe(1);
    expect(moments.text.std[1]).toBe(0);
    expect([...moments.image.mean]).toEqual([0, 0]);
  });

  it('lets a black image stand in for a missing one, and as many masks as words for a missing text', async () => {
    const session = wordSession();
    const withoutImages = await encode(session, 'image', { tokens: true, bothModalities: true });
    const images = await gatherBatch(withoutImages.set, [0, 5]);
    expect([...images.batch.image.features.data]).toEqual([0, 0]);
    expect([...images.batch.image.available.data]).toEqual([1, 1]);
    expect([...(images.batch.image.tokens?.tokens.data.subarray(0, 4) ?? [])]).toEqual([0, 1, 2, 3]);
    expect(session.counts.tokens).toBe(1); // one black image for all
    const withoutTexts = await encode(session, 'text', { bothModalities: true });
    const texts = await gatherBatch(withoutTexts.set, [1]);
    const words = ((await dataset.readText(dataset.records[1] as never)) as string).split(/\s+/);
    expect([...texts.batch.text.features.data]).toEqual([words.length * '[MASK] '.length - 1]);
    expect([...texts.batch.text.available.data]).toEqual([1]);
    expect(texts.batch.text.tokens).toBeUndefined();
    expect(withoutTexts.entries).toHaveLength(6);
  });

  it('keeps tokens with their posts when posts are selected', async () => {
    const { set } = await encode(wordSession(), 'image', { tokens: true });
    const all = await gatherBatch(set, [4, 2]);
    const some = await gatherBatch(selectPosts(set, [2, 4]), [1, 0]);
    expect(some).toEqual(all);
  });

  it('tells methods of the layout only when they read tokens', () => {
    const session = wordSession();
    expect(methodShapes(session, 3, {})).toEqual({ imageDim: 1, textDim: 1, classes: 3 });
    expect(methodShapes(session, 3, { tokens: true }).tokens).toEqual({
      image: { ...TOKEN_LAYOUTS.image, dim: 2 },
      text: { ...TOKEN_LAYOUTS.text, dim: 2 },
    });
  });

  it('simulates the corruptions that are named, and the paper’s where none takes the modality', async () => {
    const session = wordSession();
    const records = dataset.records.slice(0, 4);
    const asked: string[] = [];
    const encode = (own: EncodeOptions): Promise<EncodedRecords> => {
      asked.push(`${own.strategy.kind === 'manifest' ? '' : formatStrategy(own.strategy)} ${own.seed}`);
      return encodeRecords(own);
    };
    const simulated = { share: 1, discard: 0, draws: 2, corruptions: ['jpeg@3', 'occlusion'] };
    const rows = await encodeSimulated({ dataset, records, session, cache }, simulated, encode);
    expect(asked).toEqual([
      'fixed:image:jpeg@3 1000000',
      'fixed:image:occlusion 1000000',
      'fixed:image:jpeg@3 1000001',
      'fixed:image:occlusion 1000001',
      'fixed:text:C 1000000',
      'fixed:text:C 1000001',
    ]);
    expect([rows.image?.corrupted.length, rows.text?.corrupted.length]).toEqual([4, 2]);
  });

  it('simulates corruption and loss with tokens of the disrupted posts, and stand-ins that count as available', async () => {
    const session = wordSession();
    const needs = { tokens: true, bothModalities: true };
    const records = dataset.records.slice(0, 12);
    const common = { dataset, records, session, cache, needs };
    const { set } = await encodeRecords({ ...common, strategy: { kind: 'none' }, seed: 1 });
    const all = [...records.keys()];
    const clean = (await gatherBatch(set, all)).batch;
    const featuresOf = (batch: Host<EncodedBatchInputs>, modality: Modality) => {
      const inputs = batch[modality];
      return 'features' in inputs ? inputs : expect.fail('no features');
    };
    for (const discard of [0, 1]) {
      const options = { share: 1, discard, draws: 1 };
      const rows = await encodeSimulated(common, options);
      expect(rows.image?.standIn === undefined).toBe(discard === 0);
      const { batch } = await new Simulation(options, rows, 4, needs).gather(set, all, 0);
      const strategyOf = (modality: 'image' | 'text') =>
        ({ kind: 'modality-fixed', modality, setting: discard === 0 ? 'C' : 'D' }) as const;
      for (const modality of ['image', 'text'] as const) {
        const due = await encodeRecords({ ...common, strategy: strategyOf(modality), seed: 1_000_000 });
        const disrupted = (await gatherBatch(due.set, all)).batch;
        const touched = all.filter((i) => batch[modality].intact?.data[i] === 0);
        expect(touched.length).toBeGreaterThan(0);
        expect([...batch[modality].available.data]).toEqual(all.map(() => 1));
        for (const i of all) {
          const source = touched.includes(i) ? disrupted : clean;
          expect(featuresOf(batch, modality).features.data[i]).toBe(featuresOf(source, modality).features.data[i]);
          for (const part of ['tokens', 'mask', ...(modality === 'text' ? (['pieces'] as const) : [])] as const) {
            const row = (from: Host<EncodedBatchInputs>): number[] => {
              const data = featuresOf(from, modality).tokens?.[part]?.data ?? expect.fail(`no ${part}`);
              return [...data.subarray((i * data.length) / all.length, ((i + 1) * data.length) / all.length)];
            };
            expect(row(batch), `${modality} ${part} of post ${i}`).toEqual(row(source));
          }
        }
      }
    }
  });
});
