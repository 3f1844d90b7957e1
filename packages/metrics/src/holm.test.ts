import { DataError } from '@drf/tensor';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { holmAdjusted } from './significance.js';

describe('holmAdjusted', () => {
  it('by hand: the smallest counts for all, the next for all but one, and none falls below an earlier one', () => {
    expect(holmAdjusted([0.04, 0.01, 0.03])).toEqual([0.06, 0.03, 0.06]);
    expect(holmAdjusted([])).toEqual([]);
    expect(holmAdjusted([0.2])).toEqual([0.2]);
    expect(holmAdjusted([0.6, 0.7])).toEqual([1, 1]);
  });

  it('as statsmodels 0.15.0: multipletests([0.001, 0.04, 0.02, 0.005, 0.3, 0.02], method="holm")[1]', () => {
    const adjusted = holmAdjusted([0.001, 0.04, 0.02, 0.005, 0.3, 0.02]);
    [0.006, 0.08, 0.08, 0.025, 0.3, 0.08].forEach((value, i) => expect(adjusted[i]).toBeCloseTo(value, 12));
  });

  it('lowers no value, keeps the order and stays within 0 … 1', () => {
    fc.assert(
      fc.property(fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 20 }), (values) => {
        const adjusted = holmAdjusted(values);
        values.forEach((value, i) => {
          expect(adjusted[i]).toBeGreaterThanOrEqual(value);
          expect(adjusted[i]).toBeLessThanOrEqual(1);
          values.forEach((other, j) => {
            if (value < other) expect(adjusted[i]).toBeLessThanOrEqual(adjusted[j] as number);
          });
        });
      }),
    );
  });

  it('names what is no p-value', () => {
    expect(() => holmAdjusted([0.1, Number.NaN])).toThrow(
      new DataError({
        subject: 'holmAdjusted',
        expected: 'p-values from 0 to 1',
        received: 'NaN at place 1',
        remedy: 'leave out questions that have no p-value',
      }),
    );
  });
});
