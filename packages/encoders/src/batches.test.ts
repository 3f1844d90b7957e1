import { describe, expect, it } from 'vitest';
import { hostTensor } from '@drf/tensor';
import { copyRows, cutBatches, emptyRows, splitBatch } from './batches.js';

describe('splitBatch', () => {
  it('cuts into powers of two and keeps the order', () => {
    const items = [...Array(13).keys()];
    const pieces = splitBatch(items, 8);
    expect(pieces.map((piece) => piece.length)).toEqual([8, 4, 1]);
    expect(pieces.flat()).toEqual(items);
    expect(splitBatch([...Array(16).keys()], 8).map((piece) => piece.length)).toEqual([8, 8]);
    expect(splitBatch([], 8)).toEqual([]);
  });
});

describe('cutBatches', () => {
  const sizesOf = (count: number, atOnce?: number): number[] =>
    cutBatches([...Array(count).keys()], atOnce).map(({ length }) => length);

  it('keeps the order, and cuts as evenly as it goes', () => {
    for (let count = 0; count <= 70; count++) {
      const items = [...Array(count).keys()];
      for (const atOnce of [1, 2, 3]) {
        const batches = cutBatches(items, atOnce);
        expect(batches.flat()).toEqual(items);
        const sizes = batches.map(({ length }) => length);
        if (count > 0) expect(Math.max(...sizes) - Math.min(...sizes)).toBeLessThanOrEqual(1);
        for (const size of sizes) expect([1, 2, 3, 4, 5, 6, 7, 8]).toContain(size);
      }
    }
  });

  it('makes as many batches as are computed at once, or some times as many', () => {
    expect([0, 1, 5, 8, 9, 24].map((count) => sizesOf(count))).toEqual([[], [1], [5], [8], [4, 5], [8, 8, 8]]);
    expect([1, 2, 7, 8, 17].map((count) => sizesOf(count, 2))).toEqual([[1], [1, 1], [3, 4], [4, 4], [4, 4, 4, 5]]);
  });
});

describe('copyRows', () => {
  it('puts rows in their places, and shorter ones at the start of longer ones', () => {
    const target = emptyRows(3, 2);
    copyRows(target, hostTensor([1, 2, 3, 4], [2, 2]), [2, 0]);
    expect([...target.data]).toEqual([3, 4, 0, 0, 1, 2]);
    copyRows(target, hostTensor([9], [1, 1]), [1]);
    expect([...target.data]).toEqual([3, 4, 9, 0, 1, 2]);
  });
});
