import { describe, expect, it } from 'vitest';
import * as tf from '@tensorflow/tfjs';
import { mapTree, type Engine } from '@drf/tensor';
import { createEngine, productRate } from './index.js';

describe('productRate', () => {
  it('measures an engine that computes rightly', async () => {
    for (const name of ['eager:wasm', 'compiled']) {
      const engine = await createEngine(name);
      const gflops = await productRate(engine);
      expect(gflops).toBeGreaterThan(0.01);
      expect(gflops).toBeLessThan(10_000); // more means that nothing was multiplied
      await engine.dispose();
    }
  });

  it('refuses one that does not', async () => {
    const right = await createEngine('eager:cpu');
    const engine: Engine = {
      name: 'abacus',
      prepare: (run, constants) => {
        const broken: typeof run = (...given) =>
          mapTree(run(...given), (each) => tf.mul(each, NaN)) as ReturnType<typeof run>;
        return right.prepare(broken, constants);
      },
      prepareStep: (step, state) => right.prepareStep(step, state),
      dispose: () => right.dispose(),
    };
    await expect(productRate(engine)).rejects.toThrow(
      /Engine abacus, a product of matrices, expected 0.005\d+, received NaN; choose another engine/,
    );
    await engine.dispose();
  });
});
