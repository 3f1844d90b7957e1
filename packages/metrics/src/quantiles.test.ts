import { createRandom } from '@drf/tensor';
import { describe, expect, it } from 'vitest';
import { quantilesOf, shareBelow } from './quantiles.js';

describe('quantilesOf', () => {
  it('holds minimum, median and maximum', () => {
    const quantiles = quantilesOf([3, 1, 2, 10]) as number[];
    expect([quantiles[0], quantiles[100], quantiles[200]]).toEqual([1, 2.5, 10]);
    expect(quantilesOf([])).toBeNull();
  });
});

describe('shareBelow', () => {
  it('agrees with counting, within a step', () => {
    const random = createRandom('quantiles');
    const values = Array.from({ length: 5000 }, () => random.normal());
    const quantiles = quantilesOf(values) as number[];
    for (let i = 0; i < 200; i++) {
      const value = random.normal();
      const counted = values.filter((other) => other < value).length / values.length;
      expect(Math.abs(shareBelow(quantiles, value) - counted)).toBeLessThan(1 / 200);
    }
  });

  it('is 0 below all, 1 above all, and 0 for what is no number', () => {
    const quantiles = quantilesOf([1, 2, 3]) as number[];
    expect([-5, 1, 3, 9, NaN].map((value) => shareBelow(quantiles, value))).toEqual([0, 0, 1, 1, 0]);
    expect(shareBelow(quantilesOf([4, 4, 4]) as number[], 4)).toBe(0);
  });
});
