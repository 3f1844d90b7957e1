import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { openDataset, RowError, type Dataset } from '@drf/datasets';
import type { ImageEncoder, TextEncoder } from '@drf/encoders';
import { floatData, hostTensor, type Engine, type RgbImage } from '@drf/tensor';
import {
  encodeRecords,
  encodeSimulated,
  gatherBatch,
  simulatedVersions,
  surveyEncoding,
  type EncodedRecords,
  type EncodeOptions,
  type FeatureSet,
  type FrozenSession,
} from './index.js';

/** Encoders that count what they encode: mean brightness, and number of masked words. */
function countingSession(maskToken = '[MASK]'): FrozenSession & { readonly counts: { image: number; text: number } } {
  const counts = { image: 0, text: 0 };
  const brightness = ({ data }: RgbImage): number => data.reduce((sum, value) => sum + value, 0) / data.length;
  const image: ImageEncoder = {
    id: 'test:brightness',

    modality: 'image',
    outputDim: 2,
    trainable: false,
    preprocess: async () => ({}),
    encode: async (images) => {
      counts.image += images.length;
      return hostTensor(
        images.flatMap((content) => [brightness(content), 1]),
        [images.length, 2],
      );
    },
    dispose: async () => undefined,
  };
  const text: TextEncoder = {
    id: 'test:masks',
    modality: 'text',
    outputDim: 1,
    trainable: false,
    maskToken,
    preprocess: async () => ({}),
    encode: async (texts) => {
      counts.text += texts.length;
      return hostTensor(
        texts.map((content) => content.split(maskToken).length - 1),
        [texts.length, 1],
      );
    },
    dispose: async () => undefined,
  };
  return { engine: {} as Engine, image, text, counts, dispose: async () => undefined };
}

describe('encodeRecords', () => {
  let dataset: Dataset;
  let cache: string;
  beforeAll(async () => {
    dataset = await openDataset({ name: 'embedded', imageSize: 16 });
    cache = await mkdtemp(join(tmpdir(), 'drf-cache-'));
  });

  const encode = (
    session: FrozenSession,
    overrides: Partial<Omit<EncodeOptions, 'session'>> = {},
  ): Promise<EncodedRecords<FeatureSet>> =>
    encodeRecords({
      dataset,
      records: dataset.records.slice(0, 12),
      strategy: { kind: 'none' },
      seed: 1,
      session,
      cache,
      ...overrides,
    });

  it('encodes nothing a second time', async () => {
    const first = countingSession();
    const encoded = await encode(first);
    expect(first.counts.image).toBeGreaterThan(0);
    const second = countingSession();
    expect(await encode(second)).toEqual({
      ...encoded,
      set: { ...encoded.set, image: expect.anything(), text: expect.anything() },
    });
    expect(second.counts).toEqual({ image: 0, text: 0 });
  });

  it('encodes only the disrupted modality anew, and really disrupts it', async () => {
    const clean = await encode(countingSession());
    const session = countingSession();
    const strategy = { kind: 'modality-fixed', modality: 'text', setting: 'C' } as const;
    const { set, entries } = await encode(session, { strategy });
    expect(session.counts.image).toBe(0);
    expect(entries).toHaveLength(12);
    const all = set.ids.map((_, i) => i);
    expect(floatData(await set.image.rows.gather(all))).toEqual(floatData(await clean.set.image.rows.gather(all)));
    expect(floatData(await set.text.rows.gather(all)).every((masks) => masks > 0)).toBe(true);
    expect(floatData(await clean.set.text.rows.gather(all)).every((masks) => masks === 0)).toBe(true);
  });

  it("masks the same words by the text encoder's own token, and caches the two apart", async () => {
    const strategy = { kind: 'modality-fixed', modality: 'text', setting: 'C' } as const;
    const plain = await encode(countingSession(), { strategy });
    const session = countingSession('<mask>');
    const masked = await encode(session, { strategy });
    expect(session.counts.text).toBe(12);
    expect(masked.entries).toEqual(plain.entries);
    const all = masked.set.ids.map((_, i) => i);
    expect(await masked.set.text.rows.gather(all)).toEqual(await plain.set.text.rows.gather(all));
  });

  it('marks what is discarded as missing, with rows of zeros', async () => {
    const { set } = await encode(countingSession(), {
      strategy: { kind: 'modality-fixed', modality: 'image', setting: 'D' },
    });
    expect([...set.image.available]).toEqual(new Array(12).fill(0));
    expect([...set.text.available]).toEqual(new Array(12).fill(1));
    const { batch, labels } = await gatherBatch(set, [3, 0]);
    expect(batch.image.features).toEqual(hostTensor([0, 0, 0, 0], [2, 2]));
    expect([...labels.data]).toEqual([set.labels[3], set.labels[0]]);
  });

  describe('of a modality that the method does not read', () => {
    const needs = { reads: ['text'] } as const;
    const unread = (): ReturnType<typeof countingSession> => {
      const session = countingSession();
      const never = (): Promise<never> => Promise.reject(new Error('this encoder is not to be called'));
      return { ...session, image: { ...session.image, encode: never, preprocess: never, encodeTokens: never } };
    };
    const fresh = () => mkdtemp(join(tmpdir(), 'drf-cache-'));

    it('never calls the encoder: zeros stand for its features, and tokens that do not stand for its tokens', async () => {
      const { set } = await encode(unread(), { needs, cache: await fresh() });
      expect(set.text.rows.dim).toBe(1);
      const { batch } = await gatherBatch(set, [3, 0]);
      expect(batch.image.features).toEqual(hostTensor([0, 0, 0, 0], [2, 2]));
      expect(batch.image.available).toEqual(hostTensor([1, 1], [2]));
      const { set: bare } = await encode(unread(), { needs: { reads: [], tokens: true }, cache: await fresh() });
      const tokens = await bare.image.tokens?.gather([3, 0]);
      expect(tokens?.mask).toEqual(hostTensor([0, 0], [2, 1]));
      expect(tokens?.tokens.shape).toEqual([2, 1, bare.image.tokens?.layout.dim]);
      const discarded = await encode(unread(), {
        needs,
        cache: await fresh(),
        strategy: { kind: 'modality-fixed', modality: 'image', setting: 'D' },
      });
      expect([...discarded.set.image.available]).toEqual(new Array(12).fill(0));
    });

    it('simulates and surveys nothing of it', async () => {
      const simulation = { share: 0.5, discard: 0.5, draws: 2 };
      const versions = simulatedVersions(countingSession(), simulation, needs);
      expect(versions.map(({ modality }) => modality)).toEqual(['text', 'text']);
      const records = dataset.records.slice(0, 12);
      const options = { dataset, records, seed: 1, session: unread(), needs, cache: await fresh() };
      const rows = await encodeSimulated(options, simulation);
      expect(Object.keys(rows)).toEqual(['text']);
      const view = { records, strategy: { kind: 'none' }, seed: 1 } as const;
      const survey = await surveyEncoding(options, [view]);
      expect(survey.map(({ modality, kind }) => [modality, kind])).toEqual([['text', 'features']]);
    });

    it('leaves out the same posts as for every other method', async () => {
      const bad = dataset.records[4] as Dataset['records'][number];
      const { set } = await encode(unread(), { needs, cache: await fresh(), dataset: withBadImage(bad) });
      expect(set.ids).toHaveLength(11);
      expect(set.ids).not.toContain(bad.id);
    });
  });

  function withBadImage(bad: Dataset['records'][number]): Dataset {
    return {
      ...dataset,
      ledger: dataset.ledger,
      contentHash: (record, modality) => dataset.contentHash(record, modality),
      readText: (record) => dataset.readText(record),
      read: (record) =>
        record.id === bad.id
          ? Promise.reject(
              new RowError('undecodable image', { subject: `Post ${bad.id}`, expected: 'an image', received: 'noise' }),
            )
          : dataset.read(record),
    };
  }

  it('reports a post that cannot be read, leaves it out and goes on', async () => {
    const bad = dataset.records[4] as Dataset['records'][number];
    const broken = withBadImage(bad);
    const fresh = await mkdtemp(join(tmpdir(), 'drf-cache-'));
    const told: string[] = [];
    const { set } = await encode(countingSession(), {
      dataset: broken,
      cache: fresh,
      onRowError: (_, id) => told.push(id),
    });
    expect(told).toEqual([bad.id]);
    expect(set.ids).toHaveLength(11);
    expect(set.ids).not.toContain(bad.id);
    expect(dataset.ledger.isRejected(bad.id)).toBe(true);
  });
});
