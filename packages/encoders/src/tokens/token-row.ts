import type { TokenLayout } from './layout.js';

/**
 * A content's tokens as one row of numbers that half precision holds: `count · dim` token values (zeros after the
 * last), how many tokens there are, and each token's word piece as two numbers below 1,024 (`id = high · 1024 + low`).
 */
export function tokenRowWidth({ count, dim }: TokenLayout): number {
  return count * dim + 1 + 2 * count;
}

const BASE = 1024;
/** Numbers of word pieces that a row can hold; half precision counts to 2,048 without a gap. */
export const MAXIMUM_PIECES = BASE * BASE;

/** @param tokens at most `count` rows [dim]; @param pieces as many numbers, or none */
export function packTokens(
  layout: TokenLayout,
  tokens: readonly Float32Array[],
  pieces: readonly number[] = [],
): Float32Array {
  const { count, dim } = layout;
  const row = new Float32Array(tokenRowWidth(layout));
  tokens.forEach((token, i) => row.set(token, i * dim));
  row[count * dim] = tokens.length;
  pieces.forEach((piece, i) => {
    row[count * dim + 1 + 2 * i] = Math.floor(piece / BASE);
    row[count * dim + 2 + 2 * i] = piece % BASE;
  });
  return row;
}

/** How many tokens a row holds. */
export function tokensOfRow({ count, dim }: TokenLayout, row: ArrayLike<number>): number {
  return row[count * dim] as number;
}

/** A row's i-th word piece. */
export function pieceOfRow({ count, dim }: TokenLayout, row: ArrayLike<number>, i: number): number {
  const offset = count * dim + 1 + 2 * i;
  return (row[offset] as number) * BASE + (row[offset + 1] as number);
}
