/** Batch sizes that a frozen encoder runs at. A compiled engine makes a session for each, so they are few. */
export const BATCH_SIZES = [1, 4, 16] as const;
export const LARGEST_BATCH = 16;

/** Places of contents that go into one batch, and how many rows the batch has: the rest of them is padding. */
export interface PaddedPiece {
  readonly places: readonly number[];
  readonly rows: number;
}

/** Batches of 16; the last one is padded to 1, 4 or 16 rows. */
export function paddedPieces(places: readonly number[]): PaddedPiece[] {
  const pieces: PaddedPiece[] = [];
  for (let start = 0; start < places.length; start += LARGEST_BATCH) {
    const piece = places.slice(start, start + LARGEST_BATCH);
    pieces.push({ places: piece, rows: BATCH_SIZES.find((size) => size >= piece.length) ?? LARGEST_BATCH });
  }
  return pieces;
}
