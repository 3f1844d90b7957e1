import { ConfigurationError, hostTensor, type Host, type Random } from '@drf/tensor';
import type { TokenInputs } from '@drf/model';
import type { Rows } from './k-means.js';
import { placeBins } from '../place-bins.js';

/** The word pieces of each text, in their order. */
function* textsOf({
  mask,
  pieces,
}: Host<TokenInputs>): Generator<{ readonly start: number; readonly ids: readonly number[] }> {
  // prettier-ignore
  if (pieces === undefined) {
    throw new ConfigurationError({
      subject: 'Co-occurrence graph of words',
      expected: 'the numbers of word pieces',
      received: 'tokens without them',
      remedy: 'choose a text encoder whose encodeTokens gives pieces',
    });
  }
  const [posts, count] = mask.shape as [number, number];
  for (let post = 0; post < posts; post++) {
    const start = post * count;
    const standing = mask.data.subarray(start, start + count).findIndex((stands: number) => stands === 0);
    yield { start, ids: [...pieces.data.subarray(start, start + (standing === -1 ? count : standing))] };
  }
}

/** Every run of so many neighboring pieces; a shorter text is one window, an empty one none. */
export function* windowsOf(texts: Iterable<readonly number[]>, length: number): Generator<readonly number[]> {
  for (const ids of texts) {
    const windows = ids.length === 0 ? 0 : Math.max(1, ids.length - length + 1);
    for (let i = 0; i < windows; i++) yield ids.slice(i, i + length);
  }
}

/** How often word pieces occur, and what their states are on average. */
export class PieceCounts {
  private readonly seen = new Map<number, { count: number; readonly sum: Float64Array }>();

  constructor(private readonly dim: number) {}

  add(piece: number, state: ArrayLike<number>): void {
    const known = this.seen.get(piece) ?? { count: 0, sum: new Float64Array(this.dim) };
    known.count++;
    for (let k = 0; k < this.dim; k++) known.sum[k] = (known.sum[k] as number) + (state[k] as number);
    this.seen.set(piece, known);
  }

  /** The most frequent pieces; among equally frequent ones those of lower number first. */
  mostFrequent(limit: number): number[] {
    return [...this.seen]
      .sort(([a, { count: ofA }], [b, { count: ofB }]) => ofB - ofA || a - b)
      .slice(0, limit)
      .map(([piece]) => piece);
  }

  /** [rows, dim], zeros after the last piece */
  meanStates(pieces: readonly number[], rows: number): Float32Array {
    const means = new Float32Array(rows * this.dim);
    pieces.forEach((piece, row) => {
      const { count, sum } = this.seen.get(piece) ?? { count: 1, sum: new Float64Array(this.dim) };
      means.set(
        sum.map((value) => value / count),
        row * this.dim,
      );
    });
    return means;
  }
}

/** The pieces of each text, and what is known of each piece. */
export async function readTexts(
  parts: AsyncIterable<Host<TokenInputs>>,
): Promise<{ readonly pieces: PieceCounts; readonly texts: readonly (readonly number[])[] }> {
  let pieces: PieceCounts | undefined;
  const texts: (readonly number[])[] = [];
  for await (const text of parts) {
    const dim = text.tokens.shape[2] as number;
    pieces ??= new PieceCounts(dim);
    for (const { start, ids } of textsOf(text)) {
      texts.push(ids);
      for (const [i, piece] of ids.entries()) {
        pieces.add(piece, text.tokens.data.subarray((start + i) * dim, (start + i + 1) * dim));
      }
    }
  }
  return { pieces: pieces ?? new PieceCounts(0), texts };
}

/** Parts of an image that scenes are clusters of: 2 × 2. */
export const SCENE_SIDE = 2;

/** Means of the quarters of images, as tokens. */
export function partsOf({ tokens, mask }: Host<TokenInputs>): Host<TokenInputs> {
  const [posts, count, dim] = tokens.shape as [number, number, number];
  const { bins, members } = placeBins(count, SCENE_SIDE);
  const means = new Float32Array(posts * bins * dim);
  const standing = new Float32Array(posts * bins);
  for (let row = 0; row < posts * bins; row++) {
    const [post, bin] = [Math.floor(row / bins), row % bins];
    const places = Array.from({ length: count }, (_, place) => place).filter(
      (place) => members[bin * count + place] === 1 && mask.data[post * count + place] === 1,
    );
    for (const place of places) {
      const at = (post * count + place) * dim;
      for (let k = 0; k < dim; k++) {
        means[row * dim + k] = (means[row * dim + k] as number) + (tokens.data[at + k] as number) / places.length;
      }
    }
    standing[row] = places.length > 0 ? 1 : 0;
  }
  return { tokens: hostTensor(means, [posts, bins, dim]), mask: hostTensor(standing, [posts, bins]) };
}

/** A few random places of each image, and all its parts, as rows. */
export async function sampleRows(
  images: AsyncIterable<Host<TokenInputs>>,
  placesAPost: number,
  random: Random,
): Promise<{ readonly places: Rows; readonly parts: Rows }> {
  const [places, quarters] = [new RowList(), new RowList()];
  for await (const image of images) {
    places.add(image, (standing) => random.shuffle(standing).slice(0, placesAPost));
    quarters.add(partsOf(image), (standing) => standing);
  }
  return { places: places.rows(), parts: quarters.rows() };
}

/** Rows that are picked of tokens; one row of zeros when there are none. */
class RowList {
  private readonly picked: Float32Array[] = [];
  private dim = 0;

  add({ tokens, mask }: Host<TokenInputs>, pick: (standing: number[]) => readonly number[]): void {
    const [posts, count, dim] = tokens.shape as [number, number, number];
    this.dim = dim;
    for (let post = 0; post < posts; post++) {
      const standing = Array.from({ length: count }, (_, i) => post * count + i).filter((row) => mask.data[row] === 1);
      for (const row of pick(standing))
        this.picked.push((tokens.data as Float32Array).slice(row * dim, (row + 1) * dim));
    }
  }

  rows(): Rows {
    const count = Math.max(1, this.picked.length);
    const data = new Float32Array(count * this.dim);
    this.picked.forEach((row, i) => data.set(row, i * this.dim));
    return { data, dim: this.dim };
  }
}
