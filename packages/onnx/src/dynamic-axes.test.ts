import { describe, expect, it } from 'vitest';
import { fitAffine, fitAffineList } from './dynamic-axes.js';

const BATCHES = [11, 13, 17];

describe('fitAffine', () => {
  it.each([
    [[3, 3, 3], { offset: 3, slope: 0 }],
    [[11, 13, 17], { offset: 0, slope: 1 }],
    [[33, 39, 51], { offset: 0, slope: 3 }],
    [[12, 14, 18], { offset: 1, slope: 1 }],
    [[-11, -13, -17], { offset: 0, slope: -1 }],
  ])('explains %j', (numbers, expected) => {
    expect(fitAffine(BATCHES, numbers)).toEqual(expected);
  });

  it('refuses squares, halves, and what two sizes alone would explain', () => {
    expect(fitAffine(BATCHES, [121, 169, 289])).toBeUndefined();
    expect(fitAffine(BATCHES, [5.5, 6.5, 8.5])).toBeUndefined();
    expect(fitAffine(BATCHES, [11, 13, 13])).toBeUndefined();
  });

  it('explains lists number by number, if they are equally long', () => {
    const lists = BATCHES.map((batch) => [batch, 5]);
    expect(fitAffineList(BATCHES, lists)).toEqual([
      { offset: 0, slope: 1 },
      { offset: 5, slope: 0 },
    ]);
    expect(fitAffineList(BATCHES, [[1], [1], [1, 2]])).toBeUndefined();
  });
});
