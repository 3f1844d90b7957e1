import { createRandom, DataError } from '@drf/tensor';
import { describe, expect, it } from 'vitest';
import { auroc } from './curves.js';

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
