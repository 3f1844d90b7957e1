import { createRandom } from '@drf/tensor';
import { describe, expect, it } from 'vitest';
import { quantilesOf, shareBelow } from './quantiles.js';

describe('quantilesOf', () => {
  it('holds median and maximum, and is nothing for fewer than two values', () => {
    const quantiles = quantilesOf([3, 1, 2, 10]) as number[];
    expect([quantiles[100], quantiles[200]]).toEqual([2.5, 10]);
    expect(quantiles[0]).toBeLessThanOrEqual(1);
    expect([quantilesOf([]), quantilesOf([1])]).toEqual([null, null]);
  });

  it('agrees with hand-computed values, in the tail as well', () => {
    // 199 values: 1/200 is the place of the lowest
    const many = quantilesOf(Array.from({ length: 199 }, (_, i) => i)) as number[];
    expect(many.slice(0, 4)).toEqual([0, 0, 1, 2]);
    // 1 … 9: the lowest five below the threshold 6 by 5, 4, 3, 2, 1, of sum 15; P(below 6) = 6/10
    const few = quantilesOf([1, 2, 3, 4, 5, 6, 7, 8, 9]) as number[];
    expect(few[1]).toBeCloseTo(6 - 15 * ((0.6 * 200) ** (1 / 5) - 1), 12);
    expect(few[0]).toBe(few[1]);
    expect(few[20]).toBeCloseTo(1, 12); // place 1 of 9
  });

  it('has new draws fall below each quantile as often as it says, few values or many', () => {
    const random = createRandom('new draws');
    const draws: Readonly<Record<string, () => number>> = {
      normal: () => random.normal(),
      exponential: () => Math.log(1 - random.uniform()), // a long tail downwards
    };
    for (const [name, draw] of Object.entries(draws)) {
      for (const count of [12, 40, 100, 400]) {
        const rounds = 1000;
        let [belowFirst, sum] = [0, 0];
        for (let round = 0; round < rounds; round++) {
          const quantiles = quantilesOf(Array.from({ length: count }, draw)) as number[];
          for (let i = 0; i < 20; i++) {
            const share = shareBelow(quantiles, draw());
            sum += share;
            belowFirst += share < 1 / 200 ? 1 : 0;
          }
        }
        expect(sum / rounds / 20, `mean, ${count} ${name}`).toBeGreaterThan(0.48);
        expect(sum / rounds / 20, `mean, ${count} ${name}`).toBeLessThan(0.52);
        const rate = belowFirst / rounds / 20;
        expect(rate, `1/200, ${count} ${name}`).toBeLessThan(1.3 / 200);
        expect(rate, `1/200, ${count} ${name}`).toBeGreaterThan(name === 'normal' && count < 200 ? 0 : 0.6 / 200);
      }
    }
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
    expect([-5e3, 3, 9, NaN].map((value) => shareBelow(quantiles, value))).toEqual([0, 1, 1, 0]);
    expect(shareBelow(quantilesOf([4, 4, 4]) as number[], 4)).toBe(0);
  });
});
