import { describe, expect, it } from 'vitest';
import { createEngine } from '@drf/engine';
import type { HostTensor } from '@drf/tensor';
import { createEmbeddedImageEncoder } from './image-encoder.js';
import { createEmbeddedTextEncoder } from './text-encoder.js';
import { maximumDifference } from '../testing/graph-model.js';
import { gradientImage } from '../testing/images.js';

const IMAGES = [gradientImage('a', 224, 224), gradientImage('b', 90, 50)];
const TEXTS = ['What a day!', '', 'so it goes '.repeat(20)];

/** Features of both encoders on an engine. */
async function featuresOn(engineName: string): Promise<HostTensor[]> {
  const engine = await createEngine(engineName);
  const image = await createEmbeddedImageEncoder(engine);
  const text = await createEmbeddedTextEncoder(engine);
  const features = [await image.encode(IMAGES), await text.encode(TEXTS)];
  await Promise.all([image.dispose(), text.dispose()]);
  await engine.dispose();
  return features;
}

describe('embedded encoders', () => {
  it('give the same features on the compiled engine as on an eager one', async () => {
    const compiled = await featuresOn('compiled');
    const eager = await featuresOn('eager:wasm');
    compiled.forEach((features, i) => {
      expect(maximumDifference(features.data, (eager[i] as HostTensor).data)).toBeLessThan(1e-4);
    });
  });
});
