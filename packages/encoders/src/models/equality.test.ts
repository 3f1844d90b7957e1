import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createEngine } from '@drf/engine';
import type { Engine } from '@drf/tensor';
import { computeReference, differences, fixturePath, loadReference } from '../testing/reference.js';

const MODELS = [
  ...['vit', 'vit-odd', 'deit', 'dinov2', 'dinov2-resized', 'dinov2-registers', 'clip-vision', 'siglip-vision'],
  ...['bert', 'roberta', 'xlm-roberta', 'distilbert', 'mpnet', 'deberta-v2', 'deberta-v3', 'modernbert'],
  ...['modernbert-biases', 'clip-text', 'clip-text-legacy', 'siglip-text'],
];
/** Their positions are scaled when they are loaded. */
const RESIZED = ['dinov2-resized', 'dinov2-registers'];
/** One of each way to compute a layer. */
const RECOMPUTED = ['deit', 'bert', 'roberta', 'dinov2-registers', 'mpnet', 'deberta-v3', 'modernbert', 'clip-text'];

describe.each(['eager:cpu', 'eager:wasm', 'compiled'])('on %s, as in transformers', (engineName) => {
  let engine: Engine;
  beforeAll(async () => void (engine = await createEngine(engineName)));
  afterAll(() => engine.dispose());

  it.each(MODELS)('%s has the same outputs and gradients', async (name) => {
    const reference = await loadReference(fixturePath(name));
    const { forward, gradient, left } = differences(await computeReference(engine, reference), reference);
    expect(forward).toBeLessThan(1e-4);
    expect(gradient).toBeLessThan(1e-3);
    expect(left).toEqual(RESIZED.includes(name) ? ['embeddings.position'] : []);
  });

  // tfjs's check for leaks takes what a gradient of one's own saves on WebAssembly for one
  it.skipIf(engineName === 'eager:wasm').each(RECOMPUTED)('%s: layers computed anew', async (name) => {
    const reference = await loadReference(fixturePath(name));
    const computed = await computeReference(engine, reference, { recompute: true });
    const { forward, gradient } = differences(computed, reference);
    expect(forward).toBeLessThan(1e-4);
    expect(gradient).toBeLessThan(1e-3);
  });
});
