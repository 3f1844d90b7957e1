import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createEngine } from '@drf/engine';
import type { Engine, RgbImage } from '@drf/tensor';
import { openEncoder } from '../open-encoder.js';
import { maximumDifference } from '../testing/graph-model.js';
import { readFixture } from '../testing/reference.js';

/** A checkpoint with real weights: a DINOv2 ViT-S/14, which `scripts/fetch-dinov2.mjs` fetches. */
const FOLDER = resolve(process.env.DRF_DINOV2 ?? 'cache/dinov2-small');
const isThere = existsSync(FOLDER);
const reason = isThere ? '' : ` (skipped: no ${FOLDER}; node scripts/fetch-dinov2.mjs, or DRF_DINOV2=<folder>)`;

/** Of `fixtures/make-dinov2.py`, which says the same of pixels. */
function image(number: number, [width, height]: readonly [number, number]): RgbImage {
  const data = Uint8Array.from({ length: width * height * 3 }, (_, i) => {
    const [x, y, color] = [Math.floor(i / 3) % width, Math.floor(i / 3 / width), i % 3];
    return (Math.floor((x * x) / (40 + 10 * number)) + y * (3 + color) + 60 * color) % 256;
  });
  return { width, height, data };
}

interface Expected {
  readonly sizes: readonly (readonly [number, number])[];
  readonly features: Readonly<Record<string, readonly (readonly number[])[]>>;
}

describe.skipIf(!isThere)(`DINOv2 ViT-S/14, as in transformers${reason}`, () => {
  let engine: Engine;
  beforeAll(async () => void (engine = await createEngine('compiled')));
  afterAll(() => engine.dispose());

  it.each([undefined, 112])('has the same features of images, imageSize %s', async (imageSize) => {
    const { sizes, features } = (await readFixture('dinov2.json')) as Expected;
    const options = imageSize === undefined ? {} : { imageSize };
    const encoder = await openEncoder(`huggingface:${FOLDER}`, 'image', engine, options);
    const received = await encoder.encode(sizes.map((size, number) => image(number, size)));
    await encoder.dispose();
    const expected = (features[String(imageSize ?? 224)] ?? []).flat();
    expect(maximumDifference(received.data, expected)).toBeLessThan(1e-3); // of values up to 8, in 12 layers
  });
});
