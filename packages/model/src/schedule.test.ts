import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ConfigurationError, type HostTensor } from '@drf/tensor';
import { ADAMW_DEFAULTS, cosineLearningRate, learningRateGroup, stepSchedule } from './index.js';

describe('cosineLearningRate', () => {
  it('by hand: from the peak over the middle to the floor', () => {
    expect(cosineLearningRate(2e-4, 1e-6, 0, 101)).toBeCloseTo(2e-4, 12);
    expect(cosineLearningRate(2e-4, 1e-6, 25, 101)).toBeCloseTo(1e-6 + 1.99e-4 * (0.5 + Math.SQRT2 / 4), 12);
    expect(cosineLearningRate(2e-4, 1e-6, 50, 101)).toBeCloseTo((2e-4 + 1e-6) / 2, 12);
    expect(cosineLearningRate(2e-4, 1e-6, 100, 101)).toBeCloseTo(1e-6, 12);
  });

  it('falls all the way and stays between floor and peak', () => {
    fc.assert(
      fc.property(fc.integer({ min: 2, max: 500 }), (totalSteps) => {
        const rates = Array.from({ length: totalSteps }, (_, step) => cosineLearningRate(1, 0.1, step, totalSteps));
        expect(rates.slice(1).every((rate, i) => rate < (rates[i] as number))).toBe(true);
        expect(rates[0]).toBe(1);
        expect(rates.at(-1)).toBeCloseTo(0.1, 12);
      }),
      { seed: 1, numRuns: 30 },
    );
  });

  it('is the peak where there is a single step', () => {
    expect(cosineLearningRate(0.5, 0.1, 0, 1)).toBe(0.5);
  });

  it.each([-1, 10, 11, NaN])('refuses step %d of 10', (step) => {
    expect(() => cosineLearningRate(1, 0, step, 10)).toThrow(ConfigurationError);
    expect(() => cosineLearningRate(1, 0, step, 10)).toThrow(
      `cosineLearningRate expected a step from 0 to 9, received ${step}`,
    );
  });
});

describe('stepSchedule', () => {
  const scalar = (host: HostTensor | undefined): number => host?.data[0] as number;

  it('gives both groups their own cosine, and corrections for the step that is about to be made', () => {
    const schedule = stepSchedule(5, 11, { encoder: 2e-5, head: 2e-4, floor: 1e-6 }, ADAMW_DEFAULTS);
    expect(scalar(schedule.learningRates.encoder)).toBeCloseTo((2e-5 + 1e-6) / 2, 10);
    expect(scalar(schedule.learningRates.head)).toBeCloseTo((2e-4 + 1e-6) / 2, 10);
    expect(scalar(schedule.firstCorrection)).toBeCloseTo(1 / (1 - 0.9 ** 6), 5);
    expect(scalar(schedule.secondCorrection)).toBeCloseTo(1 / (1 - 0.999 ** 6), 3);
  });

  it('never raises a rate that lies below the floor', () => {
    for (const step of [0, 5, 10]) {
      const { learningRates } = stepSchedule(step, 11, { encoder: 0, head: 1e-7, floor: 1e-6 }, ADAMW_DEFAULTS);
      expect(scalar(learningRates.encoder)).toBe(0);
      expect(scalar(learningRates.head)).toBeCloseTo(1e-7, 12);
    }
  });
});

describe('learningRateGroup', () => {
  it('is the encoders’ for what stands under encoders, else the head’s', () => {
    expect(learningRateGroup('encoders.image.block1.kernel')).toBe('encoder');
    for (const name of ['imageProjection.kernel', 'fusion.layer1.bias', 'encodersLike.kernel', 'classifier.bias']) {
      expect(learningRateGroup(name)).toBe('head');
    }
  });
});
