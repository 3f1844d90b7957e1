import * as tf from '@tensorflow/tfjs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createEngine } from '@drf/engine';
import { WEIGHTING_MODES } from '@drf/fusion';
import type { Engine } from '@drf/tensor';
import { evaluate, makeExample, relativeError } from './testing/examples.js';
import { referenceGradients, referenceStep } from './testing/reference.js';

let engine: Engine;
beforeAll(async () => {
  await tf.setBackend('cpu');
  engine = await createEngine('eager:cpu');
});
afterAll(() => engine.dispose());

const FILLINGS = [
  { imageRows: 0, textRows: 0 },
  { imageRows: 1, textRows: 1 },
  { imageRows: 1, textRows: 0 },
  { imageRows: 6, textRows: 1 },
  { imageRows: 0, textRows: 6 },
];

describe.each(WEIGHTING_MODES)('until both queues hold two rows (%s)', (weighting) => {
  it.each(FILLINGS)('with $imageRows and $textRows: equal weights, losses of queues 0, nothing NaN', async (rows) => {
    const example = makeExample({ batch: 4, ...rows, config: { weighting } });
    const outputs = await evaluate(engine, example, example.memory.inputs());
    for (const [name, values] of outputs) {
      expect(values.every(Number.isFinite), name).toBe(true);
    }
    const third = Math.fround(1 / 3);
    expect(outputs.get('prediction.details.weights')).toEqual([
      ...[third, third, third],
      ...[0, 0, 1], // post 1 has no image
      ...[0, 1, 0], // post 2 has no text
      ...[third, third, third],
    ]);
    for (const part of ['distribution', 'distributionImageToText', 'distributionTextToImage']) {
      expect(outputs.get(`parts.${part}`)).toEqual([0]);
    }
    expect(outputs.get('parts.sampleImageToText')?.[0]).toBeGreaterThan(0); // needs no statistics
  });

  it.each(FILLINGS)('with $imageRows and $textRows: loss and gradients of what is left', async (rows) => {
    const example = makeExample({ batch: 4, dim: 3, ...rows, config: { weighting } });
    const { inputs, parameters } = example.plain;
    const outputs = await evaluate(engine, example, example.memory.inputs());
    const step = referenceStep(inputs, parameters, { weighting });
    expect(relativeError(outputs.get('total'), [step.total])).toBeLessThan(1e-5);
    const only = (name: string): boolean => ['image', 'text', 'imageToText.hidden.kernel'].includes(name);
    for (const [name, slopes] of referenceGradients(inputs, parameters, { weighting }, only)) {
      const key = name.includes('.') ? `gradients.parameters.${name}` : `gradients.${name}`;
      expect(relativeError(outputs.get(key), slopes), name).toBeLessThan(1e-4);
    }
  });
});

describe('from two rows on', () => {
  it('all parts are active, though the queues are not full', async () => {
    const example = makeExample({ imageRows: 2, textRows: 2 });
    const outputs = await evaluate(engine, example, example.memory.inputs());
    for (const [name, values] of outputs) {
      if (name.startsWith('parts.')) expect(values[0], name).toBeGreaterThan(0);
    }
  });

  it.each(WEIGHTING_MODES)('identical rows (σ = 0) give finite losses and gradients (%s)', async (weighting) => {
    const example = makeExample({ imageRows: 0, textRows: 0, config: { weighting } });
    for (const modality of ['image', 'text'] as const) {
      const queue = example.memory.queue(modality);
      for (let i = 0; i < 3; i++) queue.enqueue({ shape: [1, 4], dtype: 'float32', data: Float32Array.of(1, 2, 3, 4) });
    }
    const outputs = await evaluate(engine, example, example.memory.inputs());
    for (const [name, values] of outputs) expect(values.every(Number.isFinite), name).toBe(true);
    const weights = outputs.get('prediction.details.weights') as number[];
    if (weighting !== 'normalized') return;
    for (let post = 0; post < 5; post++) {
      expect(weights.slice(3 * post, 3 * post + 3).reduce((sum, weight) => sum + weight)).toBeCloseTo(1, 5);
    }
  });

  it('features far from both means give finite losses and gradients', async () => {
    const example = makeExample();
    const { image } = example.batch;
    const far = { ...image.features, data: image.features.data.map((value) => 1e4 * value) };
    const batch = { ...example.batch, image: { ...image, features: far } };
    const outputs = await evaluate(engine, { ...example, batch }, example.memory.inputs());
    for (const [name, values] of outputs) expect(values.every(Number.isFinite), name).toBe(true);
  });
});
