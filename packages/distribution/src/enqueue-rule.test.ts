import * as tf from '@tensorflow/tfjs';
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { named } from '@drf/tensor';
import { admittedRows } from './index.js';

beforeAll(async () => void (await tf.setBackend('cpu')));

interface Evidence {
  readonly available: number[];
  readonly density: number[];
  readonly threshold: number;
  readonly filledOnce: boolean;
}

/** Which rows enter. */
function decide({ available, density, threshold, filledOnce }: Evidence): boolean[] {
  return tf.tidy(() => {
    const admitted = admittedRows({
      available: named(tf.tensor1d(available), ['batch']),
      density: named(tf.tensor1d(density), ['batch']),
      threshold: named(tf.scalar(threshold), []),
      filledOnce: named(tf.scalar(filledOnce ? 1 : 0), []),
    });
    return [...admitted.dataSync()].map((value) => value === 1);
  });
}

describe('admittedRows', () => {
  it('takes available features that are denser than the queue on average', () => {
    const density = [0.2, 0.5, 0.50001, 0.9, 0.9];
    const available = [1, 1, 1, 1, 0];
    expect(decide({ available, density, threshold: 0.5, filledOnce: true })).toEqual([
      false,
      false, // "exceeds": an equal density does not
      true,
      true,
      false,
    ]);
  });

  it('takes every available feature until the queue has been filled once', () => {
    const evidence = { available: [1, 0, 1], density: [0, 9, NaN], threshold: 5, filledOnce: false };
    expect(decide(evidence)).toEqual([true, false, true]);
  });

  it('never takes a missing one, nor one whose density is no number', () => {
    const evidence = { available: [0, 1, NaN], density: [9, NaN, 9], threshold: 0, filledOnce: true };
    expect(decide(evidence)).toEqual([false, false, false]);
  });

  it('decides alike whatever factor both sides carry, such as the peak of Eq. 9', () => {
    const row = fc.tuple(fc.constantFrom(0, 1), fc.integer({ min: 0, max: 1000 }));
    fc.assert(
      fc.property(
        fc.array(row, { minLength: 1 }),
        fc.integer({ min: 0, max: 1000 }),
        fc.integer({ min: -8, max: 8 }),
        (rows, threshold, power) => {
          const available = rows.map(([isAvailable]) => isAvailable);
          const by = (factor: number): boolean[] =>
            decide({
              available,
              density: rows.map(([, density]) => density * factor),
              threshold: threshold * factor,
              filledOnce: true,
            });
          expect(by(2 ** power)).toEqual(by(1));
        },
      ),
      { seed: 1 },
    );
  });

  it('refuses another number of densities than of posts', () => {
    expect(() => decide({ available: [1, 1], density: [1], threshold: 0, filledOnce: true })).toThrow(
      'admittedRows density expected [2], received [1]',
    );
  });
});
