import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createEngine } from '@drf/engine';
import type { Engine } from '@drf/tensor';
import { computeReference, differences, fixturePath, loadReference } from '../testing/reference.js';

const MODELS = ['vit', 'vit-odd', 'deit', 'bert', 'roberta', 'xlm-roberta', 'distilbert'];

describe.each(['eager:cpu', 'eager:wasm', 'compiled'])('on %s, as in transformers', (engineName) => {
  let engine: Engine;
  beforeAll(async () => void (engine = await createEngine(engineName)));
  afterAll(() => engine.dispose());

  it.each(MODELS)('%s has the same outputs and gradients', async (name) => {
    const reference = await loadReference(fixturePath(name));
    const { forward, gradient } = differences(await computeReference(engine, reference), reference);
    expect(forward).toBeLessThan(1e-4);
    expect(gradient).toBeLessThan(1e-3);
  });

  // tfjs's check for leaks takes what a gradient of one's own saves on WebAssembly for one
  it.skipIf(engineName === 'eager:wasm').each(['deit', 'bert', 'roberta'])('%s: layers computed anew', async (name) => {
    const reference = await loadReference(fixturePath(name));
    const computed = await computeReference(engine, reference, { recompute: true });
    const { forward, gradient } = differences(computed, reference);
    expect(forward).toBeLessThan(1e-4);
    expect(gradient).toBeLessThan(1e-3);
  });
});
