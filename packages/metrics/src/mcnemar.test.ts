import { describe, expect, it } from 'vitest';
import { mcnemarExact } from './significance.js';

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
