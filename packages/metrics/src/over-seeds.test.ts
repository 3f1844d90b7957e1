import { createRandom } from '@drf/tensor';
import { describe, expect, it } from 'vitest';
import { pairedDifference, summarizeSeeds } from './over-seeds.js';

// scipy 1.17.1, numpy 2.4.6:
//   np.mean(FIRST); np.std(FIRST, ddof=1); stats.ttest_1samp(FIRST, 0).confidence_interval(0.95)
//   paired = stats.ttest_rel(FIRST, SECOND); paired.pvalue; paired.confidence_interval(0.95)  # and (0.9)
const FIRST = [0.712, 0.698, 0.705, 0.721, 0.69];
const SECOND = [0.701, 0.699, 0.688, 0.7, 0.695];

describe('summarizeSeeds', () => {
  it('agrees with scipy', () => {
    const { count, mean, standardDeviation, interval } = summarizeSeeds(FIRST);
    expect(count).toBe(5);
    expect(mean).toBeCloseTo(0.7052, 12);
    expect(standardDeviation).toBeCloseTo(0.012029131306956469, 12);
    expect(interval?.low).toBeCloseTo(0.6902638607264863, 12);
    expect(interval?.high).toBeCloseTo(0.7201361392735136, 12);
    expect(interval?.confidence).toBe(0.95);
  });

  it('claims no spread from a single seed', () => {
    expect(summarizeSeeds([0.7])).toEqual({ count: 1, mean: 0.7, standardDeviation: null, interval: null });
  });

  it('covers the true mean in 95 % of repetitions', () => {
    const random = createRandom('coverage');
    let covered = 0;
    for (let round = 0; round < 2000; round++) {
      const interval = summarizeSeeds([random.normal(), random.normal(), random.normal()]).interval!;
      if (interval.low <= 0 && interval.high >= 0) covered += 1;
    }
    expect(Math.abs(covered / 2000 - 0.95)).toBeLessThan(4 * Math.sqrt((0.95 * 0.05) / 2000));
  });

  it('refuses nothing, NaN and percent', () => {
    expect(() => summarizeSeeds([])).toThrow('summarizeSeeds expected at least one of the values, received none');
    expect(() => summarizeSeeds([1, Number.NaN])).toThrow('expected finite numbers, received NaN at index 1');
    expect(() => summarizeSeeds([1], 95)).toThrow('a confidence between 0 and 1, received 95; write 0.95 for 95 %');
  });
});

describe('pairedDifference', () => {
  it('agrees with scipy', () => {
    const { mean, interval, pValue } = pairedDifference(FIRST, SECOND);
    expect(mean).toBeCloseTo(0.0086, 12);
    expect(pValue).toBeCloseTo(0.16286973286714024, 11);
    expect(interval?.low).toBeCloseTo(-0.0053818202901626325, 11);
    expect(interval?.high).toBeCloseTo(0.022581820290162646, 11);
    const narrower = pairedDifference(FIRST, SECOND, 0.9).interval;
    expect(narrower?.low).toBeCloseTo(-0.002135706100141502, 11);
    expect(narrower?.high).toBeCloseTo(0.019335706100141507, 11);
  });

  it('changes sign with the order', () => {
    const [there, back] = [pairedDifference(FIRST, SECOND), pairedDifference(SECOND, FIRST)];
    expect(back.mean).toBeCloseTo(-there.mean, 15);
    expect(back.interval?.low).toBeCloseTo(-there.interval!.high, 15);
    expect(back.pValue).toBeCloseTo(there.pValue!, 12);
  });

  it('is certain of equal differences, and of none', () => {
    expect(pairedDifference([0.5, 0.75, 1], [0.25, 0.5, 0.75])).toMatchObject({ mean: 0.25, pValue: 0 });
    expect(pairedDifference(FIRST, FIRST)).toMatchObject({ mean: 0, standardDeviation: 0, pValue: 1 });
    expect(pairedDifference([1], [0])).toMatchObject({ mean: 1, interval: null, pValue: null });
  });

  it('refuses lists of other lengths', () => {
    expect(() => pairedDifference([1, 2], [1])).toThrow('pairedDifference expected as many of the second as values of');
  });
});
