import { createRandom } from '@drf/tensor';
import { describe, expect, it } from 'vitest';
import { expectedCalibrationError, negativeLogLikelihood, reliabilityBins } from './calibration.js';

describe('calibration', () => {
  it('agrees with a case worked by hand', () => {
    const rows = [
      [0.9, 0.1],
      [0.7, 0.3],
      [0.6, 0.4],
      [0.2, 0.8],
    ]; // confidences 0.9, 0.7 | 0.6 | 0.8 by halves of tenths
    const labels = [0, 1, 0, 1];
    const bins = reliabilityBins(labels, rows, 2, 5);
    expect(bins.map(({ count }) => count)).toEqual([0, 0, 1, 2, 1]); // 0.6 and 0.8 are the ends of their bins
    expect(bins[0]).toEqual({ low: 0, high: 0.2, count: 0, confidence: null, accuracy: null });
    expect(bins[3]?.confidence).toBeCloseTo(0.75, 12);
    expect(bins[3]?.accuracy).toBe(0.5);
    expect(expectedCalibrationError(labels, rows, 2, 5)).toBeCloseTo(0.25 * 0.4 + 0.5 * 0.25 + 0.25 * 0.1, 12);
    const nll = -(Math.log(0.9) + Math.log(0.3) + Math.log(0.6) + Math.log(0.8)) / 4;
    expect(negativeLogLikelihood(labels, rows, 2)).toBeCloseTo(nll, 12);
  });

  it('bounds a certain mistake, and gives 0 for certainty that is right', () => {
    expect(negativeLogLikelihood([1], [[1, 0]], 2)).toBeCloseTo(52 * Math.LN2, 12);
    expect(negativeLogLikelihood([0], [[1, 0]], 2)).toBe(0);
    expect(expectedCalibrationError([0], [[1, 0]], 2)).toBe(0);
    expect(expectedCalibrationError([1], [[1, 0]], 2)).toBe(1);
  });

  it('is small for posts that are right as often as their confidence says', () => {
    const random = createRandom('calibrated');
    const rows = Array.from({ length: 20_000 }, () => random.uniform(0.5, 1)).map((p) => [p, 1 - p]);
    const labels = rows.map(([p]) => (random.uniform() < p! ? 0 : 1));
    expect(expectedCalibrationError(labels, rows, 2)).toBeLessThan(0.015);
    expect(
      expectedCalibrationError(
        labels.map((label) => 1 - label),
        rows,
        2,
      ),
    ).toBeGreaterThan(0.4);
  });

  it('covers 0 to 1 without gaps, every post once', () => {
    const random = createRandom('bins');
    const rows = Array.from({ length: 100 }, () => random.uniform()).map((p) => [p, 1 - p]);
    const bins = reliabilityBins(
      rows.map(() => 0),
      rows,
      2,
    );
    expect(bins).toHaveLength(15);
    expect(bins.reduce((sum, { count }) => sum + count, 0)).toBe(100);
    bins.slice(1).forEach(({ low }, i) => expect(low).toBe(bins[i]?.high));
    expect([bins[0]?.low, bins[14]?.high]).toEqual([0, 1]);
  });

  it('refuses what it cannot bin', () => {
    expect(() => reliabilityBins([0], [[1, 0]], 2, 0)).toThrow('expected a whole, positive number of bins, received 0');
    expect(() => negativeLogLikelihood([], [], 2)).toThrow('negativeLogLikelihood expected at least one of the labels');
    expect(() => negativeLogLikelihood([0, 1], [[1, 0]], 2)).toThrow('as many rows of probabilities as labels (2)');
    expect(() => reliabilityBins([2], [[1, 0]], 2)).toThrow('reliabilityBins expected labels from 0 to 1, received 2');
    expect(() => reliabilityBins([0], [[0.5, 0.4]], 2)).toThrow(
      'reliabilityBins, row 0 expected probabilities that sum',
    );
  });
});
