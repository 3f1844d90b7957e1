import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { acceptedRows } from './index.js';

describe('acceptedRows', () => {
  it('takes available features that are denser than the queue on average', () => {
    const density = [0.2, 0.5, 0.50001, 0.9, 0.9];
    const available = [1, 1, 1, 1, 0];
    expect(acceptedRows({ available, density, threshold: 0.5, filledOnce: true })).toEqual([
      false,
      false, // "exceeds": an equal density does not
      true,
      true,
      false,
    ]);
  });

  it('takes every available feature until the queue has been filled once', () => {
    const evidence = { available: [1, 0, 1], density: [0, 9, NaN], threshold: 5, filledOnce: false };
    expect(acceptedRows(evidence)).toEqual([true, false, true]);
  });

  it('never takes a missing one, nor one whose density is no number', () => {
    const evidence = { available: [0, 1, NaN], density: [9, NaN, 9], threshold: 0, filledOnce: true };
    expect(acceptedRows(evidence)).toEqual([false, false, false]);
  });

  it('takes typed arrays, as a step returns them', () => {
    const evidence = {
      available: Float32Array.of(1, 0),
      density: Float32Array.of(0.3, 0.3),
      threshold: 0.1,
      filledOnce: true,
    };
    expect(acceptedRows(evidence)).toEqual([true, false]);
  });

  it('decides alike whatever factor both sides carry, such as the peak of Eq. 9', () => {
    const row = fc.tuple(fc.constantFrom(0, 1), fc.integer({ min: 0, max: 1000 }));
    fc.assert(
      fc.property(
        fc.array(row),
        fc.integer({ min: 0, max: 1000 }),
        fc.integer({ min: -8, max: 8 }),
        (rows, threshold, power) => {
          const available = rows.map(([isAvailable]) => isAvailable);
          const decide = (factor: number): boolean[] =>
            acceptedRows({
              available,
              density: rows.map(([, density]) => density * factor),
              threshold: threshold * factor,
              filledOnce: true,
            });
          expect(decide(2 ** power)).toEqual(decide(1));
        },
      ),
      { seed: 1 },
    );
  });

  it('refuses another number of densities than of posts', () => {
    expect(() => acceptedRows({ available: [1, 1], density: [1], threshold: 0, filledOnce: true })).toThrow(
      'acceptedRows density expected [2], received [1]',
    );
  });
});
