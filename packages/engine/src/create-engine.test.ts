import { describe, expect, it } from 'vitest';
import { describeEngineContract } from './engine.contract.js';
import { createCompiledEngine, createEagerEngine, createEngine, whyUnavailable } from './index.js';

describeEngineContract('compiled', () => createCompiledEngine());

describe('with constants outside the graph', () => {
  describeEngineContract('compiled', () => createCompiledEngine({ writtenBytes: 0 }));
});

describeEngineContract('eager:cpu', () => createEagerEngine('cpu'));
describeEngineContract('eager:wasm', () => createEagerEngine('wasm'));

const missing = await whyUnavailable('eager:tensorflow');
if (missing === undefined) describeEngineContract('eager:tensorflow', () => createEagerEngine('tensorflow'));
else describe.skip(`engine contract: eager:tensorflow (${missing})`, () => it('needs a native TensorFlow', () => {}));

describe('createEagerEngine', () => {
  it('names the backends when asked for one that tfjs lacks', async () => {
    await expect(createEagerEngine('abacus')).rejects.toThrow(
      'createEagerEngine expected a tfjs backend (tensorflow, wasm, cpu, or one that you registered), received "abacus"',
    );
  });
});

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
