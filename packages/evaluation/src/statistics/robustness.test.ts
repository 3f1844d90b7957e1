import { describe, expect, it } from 'vitest';
import { effectiveRobustness, relativeRobustness } from './robustness.js';

const logistic = (x: number): number => 1 / (1 + Math.exp(-x));
const logit = (p: number): number => Math.log(p / (1 - p));

describe('relativeRobustness', () => {
  it('is what is left of the clean accuracy', () => {
    expect(relativeRobustness({ clean: 0.8, disrupted: 0.6 })).toBeCloseTo(0.75, 12);
    expect(relativeRobustness({ clean: 0, disrupted: 0.1 })).toBeNull();
  });
});

describe('effectiveRobustness', () => {
  const onLine = [0.5, 0.6, 0.7, 0.8].map((clean) => ({ clean, disrupted: logistic(0.9 * logit(clean) - 0.4) }));

  it('is nothing on the line of the standard models, and the distance from it elsewhere', () => {
    const of = effectiveRobustness(onLine);
    for (const point of onLine) expect(of?.(point)).toBeCloseTo(0, 12);
    expect(of?.({ clean: 0.75, disrupted: logistic(0.9 * logit(0.75) - 0.4) + 0.05 })).toBeCloseTo(0.05, 12);
    expect(of?.({ clean: 0.9, disrupted: 0.5 })).toBeCloseTo(0.5 - logistic(0.9 * logit(0.9) - 0.4), 12);
  });

  it('sums to about nothing over models that lie off the line', () => {
    const points = [
      { clean: 0.6, disrupted: 0.55 },
      { clean: 0.65, disrupted: 0.5 },
      { clean: 0.7, disrupted: 0.62 },
    ];
    const own = points.map((point) => effectiveRobustness(points)?.(point) ?? Number.NaN);
    expect(Math.abs(own.reduce((sum, value) => sum + value, 0))).toBeLessThan(0.005);
    expect(own[1]).toBeLessThan(0);
  });

  it('needs three models that differ, and takes accuracies of 0 and 1', () => {
    expect(effectiveRobustness(onLine.slice(0, 2))).toBeUndefined();
    expect(effectiveRobustness(onLine.map(({ disrupted }) => ({ clean: 0.5, disrupted })))).toBeUndefined();
    const extreme = [{ clean: 1, disrupted: 0 }, ...onLine];
    expect(Number.isFinite(effectiveRobustness(extreme)?.({ clean: 0, disrupted: 1 }))).toBe(true);
  });
});
