import { DataError } from '@drf/tensor';
import { describe, expect, it } from 'vitest';
import { robustnessArea } from './curves.js';

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
