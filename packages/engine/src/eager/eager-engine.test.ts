import { describe, expect, it } from 'vitest';
import { UnavailableError } from '@drf/tensor';
import { describeEngineContract } from '../engine.contract.js';
import { createEagerEngine } from './eager-engine.js';
import { loadNativeTensorFlow } from './native.js';

describeEngineContract('eager:cpu', () => createEagerEngine('cpu'));
describeEngineContract('eager:wasm', () => createEagerEngine('wasm'));

describe('createEagerEngine', () => {
  it('names the backends when asked for one that tfjs lacks', async () => {
    await expect(createEagerEngine('abacus')).rejects.toThrow(
      'createEagerEngine expected a tfjs backend (tensorflow, wasm, cpu, or one that you registered), received "abacus"',
    );
  });
});

describe('loadNativeTensorFlow', () => {
  it('says for each package why it did not load, and what to do', async () => {
    const error = await loadNativeTensorFlow(['@example/absent']).catch((caught: unknown) => caught as Error);
    expect(error).toBeInstanceOf(UnavailableError);
    expect((error as Error).message).toMatch(/the native library of @example\/absent, received @example\/absent: /);
    expect((error as Error).message).toMatch(/use the engine "compiled"/);
  });
});
