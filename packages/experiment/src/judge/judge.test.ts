import { describe, expect, it } from 'vitest';
import { hostTensor } from '@drf/tensor';
import { qualityOf } from './judge.js';

describe('qualityOf', () => {
  it('joins batches in their order', () => {
    const batch = (...values: number[]) => ({
      image: hostTensor(values, [values.length]),
      text: hostTensor(values, [values.length]),
    });
    expect(qualityOf([batch(1, 2), batch(3)])?.image).toEqual(Float32Array.of(1, 2, 3));
  });

  it('is nothing for methods without densities', () => {
    expect(qualityOf([{}, undefined])).toBeNull();
    expect(qualityOf([])).toBeNull();
  });
});
