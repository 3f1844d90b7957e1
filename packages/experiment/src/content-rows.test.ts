import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { openDataset, type Dataset } from '@drf/datasets';
import { createEngine } from '@drf/engine';
import type { EncodedBatchInputs } from '@drf/model';
import type { Engine, Host, HostTensor, HostTree, Modality, RgbImage } from '@drf/tensor';
import {
  areFeatures,
  encodeRecords,
  gatherBatch,
  measureFeatures,
  Simulation,
  withInitialFeatures,
  type ContentRows,
  type EncodeOptions,
  type Session,
} from './index.js';
import { plainTiff } from './testing/tiff.js';
import { tinyTrainableImage, tinyTrainableText } from './testing/tiny-trainable.js';

const TEXTS = ['so good', 'a very very bad day', 'well', '', 'never again, never ever', 'fine'];

/** Six posts of your own; the third has a damaged image, the fourth no text. */
async function makePosts(folder: string): Promise<Dataset> {
  for (const [i] of TEXTS.entries()) {
    await writeFile(join(folder, `${i}.tif`), i === 2 ? 'no image' : plainTiff(8, [40 * i, 100, 200]));
  }
  const rows = TEXTS.map((text, i) =>
    JSON.stringify({ id: `p${i}`, text: text || null, image: `${i}.tif`, label: i % 2 ? 'b' : 'a' }),
  );
  const file = join(folder, 'posts.jsonl');
  await writeFile(file, rows.join('\n'));
  return openDataset({ name: 'posts', file, imageSize: 8 });
}

/** What the encoder of a modality reads of a batch. */
function contentsOf(batch: Host<EncodedBatchInputs>, modality: Modality): HostTree {
  const inputs = batch[modality];
  return 'contents' in inputs ? inputs.contents : expect.fail(`no contents of ${modality}`);
}

describe('encodeRecords for encoders that are trained', () => {
  let folder: string;
  let dataset: Dataset;
  let seen: { texts: string[]; images: RgbImage[] };
  let session: Session;
  let engine: Engine;
  const warnings: string[] = [];
  beforeAll(() => tf.setBackend('cpu'));
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'drf-contents-'));
    dataset = await makePosts(folder);
    seen = { texts: [], images: [] };
    engine = await createEngine('eager:cpu');
    warnings.length = 0;
    const encoders = { image: tinyTrainableImage(seen.images), text: tinyTrainableText(seen.texts) };
    session = { engine, ...encoders, dispose: () => engine.dispose() };
    return () => engine.dispose();
  });

  const encode = (overrides: Partial<EncodeOptions> = {}) =>
    encodeRecords({
      dataset,
      records: dataset.records,
      strategy: { kind: 'none' },
      seed: 1,
      session,
      cache: join(folder, 'cache'),
      onRowError: (message) => void warnings.push(message),
      ...overrides,
    });

  it('leaves out a post whose image is damaged, before any batch', async () => {
    const { set, records } = await encode();
    expect(set.ids).toEqual(['p0', 'p1', 'p3', 'p4', 'p5']);
    expect(records.map(({ id }) => id)).toEqual(set.ids);
    expect(warnings).toHaveLength(1);
    expect(warnings[0]).toContain('2.tif');
    expect(dataset.ledger.toJSON().reasons.flatMap(({ ids }) => ids)).toContain('p2');
    expect(areFeatures(set.image.rows) || areFeatures(set.text.rows)).toBe(false);
    expect(seen.texts).toEqual([]); // nothing is preprocessed until a batch asks for it
  });

  it('gives what the encoders read, padded to the batch, with stand-ins for what is missing', async () => {
    const { set } = await encode();
    const { batch, labels } = await gatherBatch(set, [4, 2]);
    expect(seen.texts).toEqual(['fine', '#']);
    const text = contentsOf(batch, 'text') as { ids: HostTensor; mask: HostTensor };
    expect(text.ids.shape).toEqual([2, 8]);
    expect([...text.mask.data]).toEqual([1, 1, 1, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0]);
    expect(contentsOf(batch, 'image').pixels).toMatchObject({ shape: [2, 4] });
    expect([...batch.text.available.data]).toEqual([1, 0]);
    expect([...batch.image.available.data]).toEqual([1, 1]);
    expect([...labels.data]).toEqual([1, 1]);
    const longer = await gatherBatch(set, [1]);
    expect((contentsOf(longer.batch, 'text').ids as HostTensor).shape).toEqual([1, 32]);
    expect([...(set.text.rows as ContentRows).lengths]).toEqual(
      TEXTS.filter((_, i) => i !== 2).map(({ length }) => length),
    );
  });

  it('disrupts pixels and words before the encoder, with its own mask', async () => {
    const text = await encode({ strategy: { kind: 'modality-fixed', modality: 'text', setting: 'C' } });
    const clean = await encode();
    await gatherBatch(text.set, [1]);
    expect(seen.texts[0]).toMatch(/#/);
    expect(seen.texts[0]?.split(' ')).toHaveLength(5);
    const image = await encode({ strategy: { kind: 'modality-fixed', modality: 'image', setting: 'C' } });
    const dark = contentsOf((await gatherBatch(image.set, [3])).batch, 'image') as { pixels: HostTensor };
    const bright = contentsOf((await gatherBatch(clean.set, [3])).batch, 'image') as { pixels: HostTensor };
    expect(bright.pixels.data[3]).toBe(0);
    expect(dark.pixels.data[3]).toBeGreaterThan(0.3);
  });

  it('simulates on the way: words and pixels of the very posts, drawn by seed, epoch and post', async () => {
    const { set } = await encode();
    const gatherWith = async (options: { discard?: number; seed?: number; epoch?: number; fill?: boolean } = {}) => {
      const { discard = 0, seed = 1, epoch = 0, fill = false } = options;
      const simulation = new Simulation({ share: 1, discard, draws: 2 }, {}, seed, { bothModalities: fill });
      [seen.texts.length, seen.images.length] = [0, 0];
      const { batch } = await simulation.gather(set, [0, 1, 2, 3, 4], epoch);
      const flags = (modality: Modality, name: 'intact' | 'available'): number[] => [...(batch[modality][name]?.data ?? [])]; // prettier-ignore
      return { texts: [...seen.texts], images: seen.images.map(({ data }) => [...data]), flags };
    };
    const clean = await gatherBatch(set, [0, 1, 2, 3, 4]).then(() => [...seen.texts]);
    const first = await gatherWith();
    const intact = { image: first.flags('image', 'intact'), text: first.flags('text', 'intact') };
    const touched = [...intact.image.keys()].filter((i) => intact.text[i] === 0 && i !== 2);
    expect(touched.length).toBeGreaterThan(0);
    for (const i of [0, 1, 3, 4]) {
      expect((intact.image[i] as number) + (intact.text[i] as number), 'one modality stays intact').toBe(1);
      const words = first.texts[i]?.split(' ') ?? [];
      if (touched.includes(i)) expect(words.filter((word) => word === '#').length).toBeGreaterThan(0);
      else expect(first.texts[i]).toBe(clean[i]);
      words.forEach((word, at) => word === '#' || expect(word).toBe(clean[i]?.split(' ')[at]));
    }
    expect(intact.image[2], 'a post without text').toBe(1);
    expect(first.flags('text', 'available')).toEqual([1, 1, 0, 1, 1]);
    expect(await gatherWith()).toMatchObject({ texts: first.texts, images: first.images });
    expect(await gatherWith({ epoch: 1 })).not.toMatchObject({ texts: first.texts, images: first.images });
    expect(await gatherWith({ seed: 2 })).not.toMatchObject({ texts: first.texts, images: first.images });

    const gone = await gatherWith({ discard: 1 });
    const missing = [gone.flags('image', 'available'), gone.flags('text', 'available')];
    for (const i of [0, 1, 3, 4]) expect((missing[0]?.[i] as number) + (missing[1]?.[i] as number)).toBe(1);
    const filled = await gatherWith({ discard: 1, fill: true });
    expect(filled.flags('image', 'available')).toEqual([1, 1, 1, 1, 1]);
    expect(filled.texts).toEqual(gone.texts);
    filled.texts.forEach((text, i) => i !== 2 && filled.flags('text', 'intact')[i] === 0 && expect(text).toMatch(/^#/));
  });

  it('takes an image that cannot be read any more for missing, and says so', async () => {
    const { set } = await encode();
    await rm(join(folder, '4.tif'));
    const { batch } = await gatherBatch(set, [3, 4]);
    expect([...batch.image.available.data]).toEqual([0, 1]);
    expect(warnings.at(-1)).toContain('4.tif');
    await gatherBatch(set, [3]);
    expect(warnings).toHaveLength(2); // once a post
  });

  it('measures features by the encoders as they are before training', async () => {
    const { set } = await encode();
    const progress: number[] = [];
    const moments = await withInitialFeatures(session, set, measureFeatures, (done, total) => {
      progress.push(done);
      expect(total).toBe(10);
    });
    expect(progress.at(-1)).toBe(9); // one post has no text
    const { image } = session;
    if (!image.trainable) throw new Error('a trainable encoder is due');
    const { batch } = await gatherBatch(set, [0, 1, 2, 3, 4]);
    const mean = tf.tidy(() => {
      const upload = (tree: HostTree) => Object.fromEntries(Object.entries(tree).map(([name, leaf]) => [name, tf.tensor((leaf as HostTensor).data, [...(leaf as HostTensor).shape])])); // prettier-ignore
      return tf.mean(image.apply(upload(image.initialParameters), upload(contentsOf(batch, 'image'))), 0).dataSync();
    });
    moments.image.mean.forEach((value, i) => expect(value).toBeCloseTo(mean[i] as number, 5));
    expect(moments.text.mean).toHaveLength(6);
  });
});
