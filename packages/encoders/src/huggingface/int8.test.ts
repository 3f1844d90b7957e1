import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createEngine } from '@drf/engine';
import { ConfigurationError, type Engine, type HostTensor, type Modality, type RgbImage } from '@drf/tensor';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type EncoderOf, openEncoder, type OpenEncoderOptions, openTrainableEncoder } from '../open-encoder.js';
import { gradientImage } from '../testing/images.js';
import { writeTinyBert, writeTinyVit } from '../testing/tiny-transformers.js';

/** Large enough for products in int8. */
const config = { hidden_size: 64, intermediate_size: 128, initializer_range: 0.1 };

const TEXTS = ['good day', 'a bad movie!', 'the '.repeat(15), 'bad days', 'good', 'a movie', 'the [MASK] day', '!'];
const IMAGES = ['a', 'b', 'c', 'd', 'e', 'f'].map((name, i) => gradientImage(name, 16 + i, 20));

let engine: Engine;
let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'drf-int8-'));
  await writeTinyBert(join(folder, 'text'), { config });
  await writeTinyVit(join(folder, 'image'), { config });
  engine = await createEngine('compiled');
});
afterAll(async () => {
  await engine.dispose();
  await rm(folder, { recursive: true });
});

function open<M extends Modality>(modality: M, options: OpenEncoderOptions = {}): Promise<EncoderOf[M]> {
  return openEncoder(`huggingface:${join(folder, modality)}`, modality, engine, options);
}

function rowsOf({ data, shape }: HostTensor): number[][] {
  const [rows, dim] = shape as [number, number];
  return Array.from({ length: rows }, (_, row) => Array.from(data.subarray(row * dim, (row + 1) * dim)));
}

function cosine(a: readonly number[], b: readonly number[]): number {
  const dot = (left: readonly number[], right: readonly number[]): number =>
    left.reduce((sum, each, i) => sum + each * (right[i] as number), 0);
  return dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b));
}

/** A frozen encoder of some contents, of either modality. */
interface AnyEncoder {
  readonly id: string;
  encode(places: readonly number[]): Promise<number[][]>;
  dispose(): Promise<void>;
}

async function openAny(modality: Modality, options: OpenEncoderOptions): Promise<AnyEncoder> {
  if (modality === 'text') {
    const text = await open('text', options);
    const encode = async (places: readonly number[]) =>
      rowsOf(await text.encode(places.map((place) => TEXTS[place] as string)));
    return { id: text.id, encode, dispose: () => text.dispose() };
  }
  const image = await open('image', options);
  const encode = async (places: readonly number[]) =>
    rowsOf(await image.encode(places.map((place) => IMAGES[place] as RgbImage)));
  return { id: image.id, encode, dispose: () => image.dispose() };
}

describe('precision int8', () => {
  it.each([
    ['text', 'mean'],
    ['text', 'pooler'],
    ['image', 'cls'],
    ['image', 'cls_mean'],
  ] as const)('gives nearly the same features of %s by %s, whatever else is encoded', async (modality, pooling) => {
    const exact = await openAny(modality, { pooling });
    const rounded = await openAny(modality, { pooling, precision: 'int8' });
    const all = (modality === 'text' ? TEXTS : IMAGES).map((_, place) => place);
    const [want, got] = [await exact.encode(all), await rounded.encode(all)];
    expect(got).not.toEqual(want);
    for (const place of all) {
      expect(cosine(want[place] as number[], got[place] as number[])).toBeGreaterThan(0.99);
      expect(await rounded.encode([place])).toEqual([got[place]]); // to the last bit
    }
    expect(await rounded.encode([...all].reverse())).toEqual([...got].reverse());
    await Promise.all([exact.dispose(), rounded.dispose()]);
  });

  it.each(['text', 'image'] as const)('is part of the id of %s', async (modality) => {
    const ids: string[] = [];
    for (const precision of [undefined, 'float32', 'int8'] as const) {
      const encoder = await openAny(modality, precision === undefined ? {} : { precision });
      ids.push(encoder.id);
      await encoder.dispose();
    }
    const [own, float, int8] = ids as [string, string, string];
    expect(float).toBe(own);
    expect(int8).toBe(own.replace(/:v1$/, ':int8:v1'));
    const again = await openAny(modality, { precision: 'int8', expectedId: int8 });
    expect(again.id).toBe(int8);
    await again.dispose();
  });

  it('is refused by eager engines, and of other encoders by name', async () => {
    const path = join(folder, 'text');
    const eager = await createEngine('eager:cpu');
    await expect(openEncoder(path, 'text', eager, { precision: 'int8' })).rejects.toThrow('--engine compiled');
    await eager.dispose();
    for (const name of ['embedded', 'transformers:some/bert', 'mine@0123456789ab']) {
      const attempt = openEncoder(name, 'text', engine, { precision: 'int8' });
      await expect(attempt).rejects.toThrow(ConfigurationError);
      await expect(attempt).rejects.toThrow(`Encoder "${name}", precision, expected "float32", received "int8"`);
    }
    await expect(openTrainableEncoder(path, 'text', { precision: 'int8' })).rejects.toThrow(
      `Encoder ${JSON.stringify(path)}, trained, precision, expected "float32", received "int8"`,
    );
    await expect(open('text', { precision: 'int4' as 'int8' })).rejects.toThrow(
      'precision, expected "float32" or "int8", received "int4"',
    );
  });
});
