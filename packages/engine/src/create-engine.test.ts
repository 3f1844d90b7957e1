import { describe, expect, it } from 'vitest';
import { createEngine } from './index.js';

describe('createEngine', () => {
  it('refuses an unknown name, naming the valid ones', async () => {
    await expect(createEngine('eager:gpu')).rejects.toThrow(
      'createEngine expected one of "auto", "compiled", "eager:tensorflow", "eager:wasm", "eager:cpu", received "eager:gpu"',
    );
  });

  it('makes the engine that the name says', async () => {
    for (const name of ['eager:cpu', 'eager:wasm', 'compiled']) {
      const engine = await createEngine(name);
      expect(engine.name).toBe(name);
      await engine.dispose();
    }
  });
});
