import { describe, expect, it } from 'vitest';
import { createRequire } from 'node:module';
import * as tf from '@tensorflow/tfjs';
import { withBackend } from '../eager/backend.js';
import { whyUnavailable } from '../create-engine.js';
import { restoreRemovedUtilities } from './load.js';

describe('restoreRemovedUtilities', () => {
  it('adds what Node 23 removed', () => {
    const util: Record<string, unknown> = {};
    restoreRemovedUtilities(util);
    const { isArray, isNullOrUndefined } = util as Record<string, (value: unknown) => boolean>;
    expect([[], {}, 'a'].map((value) => isArray?.(value))).toEqual([true, false, false]);
    expect([null, undefined, 0, ''].map((value) => isNullOrUndefined?.(value))).toEqual([true, true, false, false]);
  });

  it('replaces those that warn of being removed', () => {
    const warns = (): boolean => {
      throw new Error('deprecated');
    };
    const util = { isArray: warns, isNullOrUndefined: warns, format: warns };
    restoreRemovedUtilities(util);
    expect([util.isArray, util.isNullOrUndefined].map((test) => (test as (value: unknown) => boolean)(null))).toEqual([
      false,
      true,
    ]);
    expect(util.format).toBe(warns);
  });
});

const missing = await whyUnavailable('eager:tensorflow');

describe.skipIf(missing !== undefined)(`native kernels without Node's removed functions (${missing ?? 'run'})`, () => {
  it('run after they were restored', () => {
    const util = createRequire(import.meta.url)('node:util') as Record<string, unknown>;
    const before = { isArray: util['isArray'], isNullOrUndefined: util['isNullOrUndefined'] };
    const topTwo = (): number[] =>
      withBackend('tensorflow', () => tf.tidy(() => Array.from(tf.topk(tf.tensor1d([3, 1, 2]), 2).values.dataSync())));
    try {
      delete util['isArray'];
      delete util['isNullOrUndefined'];
      expect(topTwo).toThrow(/isNullOrUndefined|is not a function/);
      restoreRemovedUtilities();
      expect(topTwo()).toEqual([3, 2]);
    } finally {
      Object.assign(util, before);
    }
  });
});
