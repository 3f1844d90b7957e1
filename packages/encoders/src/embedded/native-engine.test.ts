import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createEngine, whyUnavailable } from '@drf/engine';
import type { Engine } from '@drf/tensor';
import { createEmbeddedImageEncoder } from './image-encoder.js';
import { createEmbeddedTextEncoder } from './text-encoder.js';
import { describeEncoderContract } from '../encoder.contract.js';
import { gradientImage, UNUSABLE_IMAGES, UNUSABLE_TEXTS } from '../testing/images.js';

const missing = await whyUnavailable('eager:tensorflow');
const IMAGES = [gradientImage('a', 224, 224), gradientImage('b', 300, 120), gradientImage('c', 10, 10)];
const TEXTS = ['good day', '', 'a bad movie 😀', 'the '.repeat(30)];

describe.skipIf(missing !== undefined)(`embedded encoders on native TensorFlow (${missing ?? 'run'})`, () => {
  let native: Engine;
  let wasm: Engine;
  beforeAll(async () => {
    native = await createEngine('eager:tensorflow');
    wasm = await createEngine('eager:wasm');
  });
  afterAll(async () => {
    await native.dispose();
    await wasm.dispose();
  });

  describeEncoderContract('embedded image', {
    create: () => createEmbeddedImageEncoder(native),
    contents: IMAGES,
    unusable: UNUSABLE_IMAGES,
  });
  describeEncoderContract('embedded text', {
    create: () => createEmbeddedTextEncoder(native),
    contents: TEXTS,
    unusable: UNUSABLE_TEXTS,
  });

  it('give what they give on wasm', async () => {
    const [ours, theirs] = await Promise.all([native, wasm].map((engine) => createEmbeddedTextEncoder(engine)));
    const [here, there] = await Promise.all([ours?.encode(TEXTS), theirs?.encode(TEXTS)]);
    const differences = Array.from(here?.data ?? [], (x, i) => Math.abs(x - (there?.data[i] as number)));
    expect(differences.length).toBeGreaterThan(500);
    expect(Math.max(...differences)).toBeLessThan(1e-5);
    await ours?.dispose();
    await theirs?.dispose();
  });
});
