import { createRandom, DataError } from '@drf/tensor';
import { describe, expect, it } from 'vitest';
import { auroc, robustnessArea } from './curves.js';

describe('auroc', () => {
  it('is 1, 0 and 0.5 for perfect, reversed and constant scores', () => {
    const positive = [true, true, false, false];
    expect(auroc([4, 3, 2, 1], positive)).toBe(1);
    expect(auroc([1, 2, 3, 4], positive)).toBe(0);
    expect(auroc([7, 7, 7, 7], positive)).toBe(0.5);
  });

  it('agrees with comparing every pair, ties and infinities included', () => {
    const random = createRandom('auroc');
    for (let round = 0; round < 20; round++) {
      const scores = Array.from({ length: 25 }, () => [-Infinity, 0, 1, 2, Infinity][random.integer(5)]!);
      const positive = scores.map((_, i) => i < 2 || (i > 3 && random.integer(2) === 1));
      let wins = 0;
      let pairs = 0;
      scores.forEach((high, i) =>
        scores.forEach((low, j) => {
          if (!positive[i] || positive[j]) return;
          pairs += 1;
          wins += high > low ? 1 : high === low ? 0.5 : 0;
        }),
      );
      expect(auroc(scores, positive)).toBeCloseTo(wins / pairs, 12);
    }
  });

  it('refuses what has no answer', () => {
    expect(() => auroc([1, 2], [true, true])).toThrow(DataError);
    expect(() => auroc([1, 2], [true, true])).toThrow(
      'expected at least one positive and one negative, received 2 and 0',
    );
    expect(() => auroc([], [])).toThrow('received 0 and 0; leave the figure out where only one kind occurs');
    expect(() => auroc([1, Number.NaN], [true, false])).toThrow('auroc expected scores, received NaN at place 1');
    expect(() => auroc([1], [true, false])).toThrow('auroc expected as many truth values as scores (1), received 2');
  });
});

const curve = (ratios: number[], values: number[]) => ratios.map((ratio, i) => ({ ratio, value: values[i]! }));

describe('robustnessArea', () => {
  // numpy 2.4.6: np.trapezoid(values, ratios) / (max(ratios) - min(ratios))
  it('agrees with numpy, at equal and unequal steps', () => {
    expect(robustnessArea(curve([0.2, 0.4, 0.6, 0.8, 1], [0.71, 0.69, 0.66, 0.6, 0.55]))).toBeCloseTo(0.645, 12);
    expect(robustnessArea(curve([0, 0.5, 0.6], [0.7, 0.6, 0.65]))).toBeCloseTo(0.6458333333333333, 12);
  });

  it('is the value of a flat curve, whatever the order of the points', () => {
    expect(robustnessArea(curve([1, 0, 0.3], [0.7, 0.7, 0.7]))).toBeCloseTo(0.7, 12);
    expect(robustnessArea(curve([0.6, 0, 0.5], [0.65, 0.7, 0.6]))).toBeCloseTo(0.6458333333333333, 12);
  });

  it('refuses curves without an area', () => {
    expect(() => robustnessArea(curve([0.2], [0.7]))).toThrow(DataError);
    expect(() => robustnessArea(curve([0.2], [0.7]))).toThrow(
      'robustnessArea expected at least two points, received 1',
    );
    expect(() => robustnessArea(curve([0.2, 0.2], [0.7, 0.6]))).toThrow('expected each ratio once, received 0.2 twice');
    expect(() => robustnessArea(curve([0.2, 1], [0.7, Number.NaN]))).toThrow('expected finite numbers, received NaN');
  });
});
