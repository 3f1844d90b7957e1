import { describe, expect, it } from 'vitest';
import { hostTensor } from '@drf/tensor';
import { copyRows, emptyRows, splitBatch } from './batches.js';

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

describe('copyRows', () => {
  it('puts rows in their places, and shorter ones at the start of longer ones', () => {
    const target = emptyRows(3, 2);
    copyRows(target, hostTensor([1, 2, 3, 4], [2, 2]), [2, 0]);
    expect([...target.data]).toEqual([3, 4, 0, 0, 1, 2]);
    copyRows(target, hostTensor([9], [1, 1]), [1]);
    expect([...target.data]).toEqual([3, 4, 9, 0, 1, 2]);
  });
});
