import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createEagerEngine } from '@drf/engine';
import type { Engine } from '@drf/tensor';
import { createEmbeddedImageEncoder } from './embedded/image-encoder.js';
import { createEmbeddedTextEncoder } from './embedded/text-encoder.js';
import { describeEncoderContract } from './encoder.contract.js';
import { createTransformersEncoder, openEncoder } from './open-encoder.js';
import { countingEncoder } from './testing/fake-encoder.js';
import { gradientImage, UNUSABLE_IMAGES, UNUSABLE_TEXTS } from './testing/images.js';
import { writeImageModel, writeTextModel } from './testing/tiny-models.js';

let engine: Engine;
let folder: string;
beforeAll(async () => {
  engine = await createEagerEngine('wasm');
  folder = await mkdtemp(join(tmpdir(), 'drf-encoders-'));
  await writeImageModel(join(folder, 'image'));
  await writeTextModel(join(folder, 'text'));
});
afterAll(async () => {
  await engine.dispose();
  await rm(folder, { recursive: true });
});

const IMAGES = [gradientImage('a', 224, 224), gradientImage('b', 300, 120), gradientImage('c', 10, 10)];
const TEXTS = ['good day', '', 'a bad movie 😀', 'the '.repeat(30)];

describeEncoderContract('embedded image', {
  create: () => createEmbeddedImageEncoder(engine),
  contents: IMAGES,
  unusable: UNUSABLE_IMAGES,
});

describeEncoderContract('embedded text', {
  create: () => createEmbeddedTextEncoder(engine),
  contents: TEXTS,
  unusable: UNUSABLE_TEXTS,
});

describeEncoderContract('transformers.js image', {
  create: () => createTransformersEncoder({ modality: 'image', model: join(folder, 'image') }),
  contents: IMAGES,
  unusable: UNUSABLE_IMAGES,
});

describeEncoderContract('transformers.js text', {
  create: () => createTransformersEncoder({ modality: 'text', model: join(folder, 'text') }),
  contents: TEXTS,
  unusable: UNUSABLE_TEXTS,
});

describe('openEncoder', () => {
  it('opens by name', async () => {
    const embedded = await openEncoder('embedded', 'text', engine);
    expect(embedded).toMatchObject({ modality: 'text', outputDim: 512 });
    const local = await openEncoder(`transformers:${join(folder, 'image')}`, 'image', engine, { pooling: 'mean' });
    expect(local).toMatchObject({ modality: 'image', outputDim: 6 });
    await Promise.all([embedded.dispose(), local.dispose()]);
  });

  it.each(['', 'embeded', 'transformers'])('refuses the name "%s"', async (name) => {
    await expect(openEncoder(name, 'image', engine)).rejects.toThrow(
      `openEncoder expected "embedded", a hub id or folder, "huggingface:<hub id or folder>" or "transformers:<hub id or folder>", received ${JSON.stringify(name)}`,
    );
  });
});

describe('the encoder that other tests use', () => {
  it('counts', async () => {
    const encoder = countingEncoder();
    expect((await encoder.encode(['abc'])).data).toEqual(Float32Array.of(3, 4, 5, 6));
    expect(encoder.encodedTexts).toEqual(['abc']);
  });
});
