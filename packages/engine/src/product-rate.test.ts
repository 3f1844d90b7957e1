import { describe, expect, it } from 'vitest';
import { hostTensor, type Engine } from '@drf/tensor';
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
    const program = { run: async () => ({ corner: hostTensor([NaN], [1, 1]) }), dispose: async () => undefined };
    const engine = { name: 'abacus', prepare: async () => program } as unknown as Engine;
    await expect(productRate(engine)).rejects.toThrow(
      /Engine abacus, a product of matrices, expected 0.005\d+, received NaN; choose another engine/,
    );
  });
});
