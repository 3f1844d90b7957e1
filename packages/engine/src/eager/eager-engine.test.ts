import { describe, expect, it } from 'vitest';
import { describeEngineContract } from '../engine.contract.js';
import { whyUnavailable } from '../create-engine.js';
import { createEagerEngine } from './eager-engine.js';

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
