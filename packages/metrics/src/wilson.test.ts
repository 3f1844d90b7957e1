import { createRandom } from '@drf/tensor';
import { describe, expect, it } from 'vitest';
import { wilsonInterval } from './interval.js';

describe('wilsonInterval', () => {
  // scipy 1.17.1: stats.binomtest(successes, total).proportion_ci(confidence, 'wilson')
  it.each([
    [0, 20, 0.95, 0, 0.16112515805281935],
    [315, 450, 0.95, 0.6561126727401614, 0.7405015997146502],
    [20, 20, 0.99, 0.7508945989012464, 1],
    [1, 3, 0.9, 0.07826572633372841, 0.7464661317187758],
  ])('agrees with scipy: %d of %d at %d', (successes, total, confidence, low, high) => {
    const interval = wilsonInterval(successes, total, confidence);
    expect(interval.low).toBeCloseTo(low, 12);
    expect(interval.high).toBeCloseTo(high, 12);
    expect(interval.confidence).toBe(confidence);
  });

  it('holds the share and stays within 0 and 1', () => {
    const random = createRandom('wilson');
    for (let round = 0; round < 200; round++) {
      const total = 1 + random.integer(50);
      const successes = random.integer(total + 1);
      const { low, high } = wilsonInterval(successes, total);
      expect(low).toBeGreaterThanOrEqual(0);
      expect(high).toBeLessThanOrEqual(1);
      expect(low).toBeLessThanOrEqual(successes / total);
      expect(high).toBeGreaterThanOrEqual(successes / total);
    }
  });

  it('refuses counts that are none', () => {
    for (const [successes, total] of [
      [1, 0],
      [3, 2],
      [-1, 2],
      [0.5, 2],
      [Number.NaN, 2],
    ] as const) {
      expect(() => wilsonInterval(successes, total)).toThrow(
        `wilsonInterval expected whole counts with 0 ≤ successes ≤ total and total ≥ 1, received ${successes} of ${total}`,
      );
    }
    expect(() => wilsonInterval(1, 2, 1)).toThrow('a confidence between 0 and 1, received 1');
  });
});
