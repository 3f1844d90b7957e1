import { describe, expect, it } from 'vitest';
import { hostTensor } from '@drf/tensor';
import { copyRows, emptyRows, paddedPieces, splitBatch } from './batches.js';

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

describe('paddedPieces', () => {
  const rowsOf = (count: number): number[] => paddedPieces([...Array(count).keys()]).map(({ rows }) => rows);

  it('takes few sizes, and of each batch a quarter at most is padding', () => {
    for (let count = 0; count <= 70; count++) {
      const items = [...Array(count).keys()];
      const pieces = paddedPieces(items);
      expect(pieces.flatMap((piece) => piece.items)).toEqual(items);
      for (const piece of pieces) {
        expect([1, 4, 8]).toContain(piece.rows);
        expect(piece.items.length).toBeLessThanOrEqual(piece.rows);
        expect(piece.items.length).toBeGreaterThanOrEqual(0.75 * piece.rows);
      }
    }
  });

  it('cuts few items into no fewer batches than are computed at once', () => {
    const twoOf = (count: number): number[] => paddedPieces([...Array(count).keys()], 2).map(({ rows }) => rows);
    expect([1, 2, 4, 7, 8].map(twoOf)).toEqual([[1], [1, 1], [1, 1, 1, 1], [4, 4], [4, 4]]);
    expect([9, 14, 24].map(twoOf)).toEqual([
      [4, 4, 1],
      [8, 8],
      [8, 8, 8],
    ]);
  });

  it('makes one batch where little of it is padding, and several where much would be', () => {
    expect([rowsOf(3), rowsOf(5), rowsOf(8), rowsOf(13), rowsOf(22)]).toEqual([[4], [4, 1], [8], [8, 4, 1], [8, 8, 8]]);
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
