import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DataError } from '@drf/tensor';
import { holmAdjusted, mcnemarExact } from './significance.js';

/** Posts of which `firstOnly` only the first method gets right, `secondOnly` only the second, and ten both or none. */
function posts(firstOnly: number, secondOnly: number): [number[], number[], number[]] {
  const differing = [...new Array<number>(firstOnly).fill(0), ...new Array<number>(secondOnly).fill(1)];
  const labels = [...differing.map(() => 0), ...new Array<number>(10).fill(1)];
  const same = [1, 1, 1, 1, 1, 0, 0, 0, 0, 0];
  return [labels, [...differing, ...same], [...differing.map((value) => 1 - value), ...same]];
}

describe('mcnemarExact', () => {
  // scipy 1.17.1: stats.binomtest(firstOnly, firstOnly + secondOnly).pvalue
  it.each([
    [5, 15, 0.04138946533203125],
    [0, 6, 0.03125],
    [7, 7, 1],
    [31, 52, 0.027534178012294533],
    [400, 520, 8.549170923883781e-5],
  ])('agrees with scipy: %d against %d', (firstOnly, secondOnly, expected) => {
    const [labels, first, second] = posts(firstOnly, secondOnly);
    const result = mcnemarExact(labels, first, second);
    expect(result).toMatchObject({ firstOnly, secondOnly });
    expect(Math.abs(result.pValue / expected - 1)).toBeLessThan(1e-10);
    expect(mcnemarExact(labels, second, first).pValue).toBe(result.pValue);
  });

  it.each([
    [2, 1],
    [7, 7],
    [40, 41],
  ])('is exactly 1 for %d against %d', (firstOnly, secondOnly) => {
    expect(mcnemarExact(...posts(firstOnly, secondOnly)).pValue).toBe(1);
  });

  it('finds no difference where there is none', () => {
    expect(mcnemarExact([0, 1], [0, 0], [0, 0])).toEqual({ firstOnly: 0, secondOnly: 0, pValue: 1 });
  });

  it('refuses lists that do not belong together', () => {
    expect(() => mcnemarExact([], [], [])).toThrow('mcnemarExact expected at least one of the labels, received none');
    expect(() => mcnemarExact([0], [0], [])).toThrow('as many predictions of the second method as labels (1)');
    expect(() => mcnemarExact([0], [], [0])).toThrow('as many predictions of the first method as labels (1)');
  });
});

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
