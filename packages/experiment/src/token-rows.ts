import { decodeFloat16, encodeFloat16, pieceOfRow, tokensOfRow, type TokenLayout } from '@drf/encoders';
import type { TokenInputs } from '@drf/model';
import { hostTensor, type Host, type HostTensor } from '@drf/tensor';
import type { FeatureRows, TokenRows } from './feature-set.js';

/** Token rows (see `tokenRowEncoder` of `@drf/encoders`) as a step reads them; a row of zeros holds no token. */
export function tokenRows(rows: FeatureRows, layout: TokenLayout): TokenRows {
  return { layout, gather: async (indices) => tokenInputs(await rows.gather(indices), layout) };
}

/** Token rows [posts, width] as a step reads them. */
export function tokenInputs({ data, shape }: HostTensor, layout: TokenLayout): Host<TokenInputs> {
  const { count, dim } = layout;
  const [posts, width] = shape as [number, number];
  const tokens = new Float32Array(posts * count * dim);
  const mask = new Float32Array(posts * count);
  const pieces = new Int32Array(posts * count);
  for (let post = 0; post < posts; post++) {
    const row = data.subarray(post * width, (post + 1) * width);
    tokens.set(row.subarray(0, count * dim), post * count * dim);
    mask.fill(1, post * count, post * count + tokensOfRow(layout, row));
    for (let i = 0; i < count; i++) pieces[post * count + i] = pieceOfRow(layout, row, i);
  }
  return {
    tokens: hostTensor(tokens, [posts, count, dim]),
    mask: hostTensor(mask, [posts, count]),
    pieces: hostTensor(pieces, [posts, count]),
  };
}

const ROWS_AT_ONCE = 64;

/** Rows copied to memory in half precision, in which they were stored, so that nothing is lost. */
export async function halfMemoryRows(posts: number, source: FeatureRows): Promise<FeatureRows> {
  const { dim } = source;
  const bits = new Uint16Array(posts * dim);
  for (let start = 0; start < posts; start += ROWS_AT_ONCE) {
    const indices = Array.from({ length: Math.min(ROWS_AT_ONCE, posts - start) }, (_, i) => start + i);
    const { data } = await source.gather(indices);
    bits.set(encodeFloat16(data as Float32Array), start * dim);
  }
  return {
    dim,
    gather: (indices) => {
      const rows = new Float32Array(indices.length * dim);
      indices.forEach((index, i) => rows.set(decodeFloat16(bits.subarray(index * dim, (index + 1) * dim)), i * dim));
      return hostTensor(rows, [indices.length, dim]);
    },
  };
}
