import {
  ConfigurationError,
  createRandom,
  floatData,
  hostTensor,
  type HostTensor,
  type HostTree,
  type Modality,
} from '@drf/tensor';
import { decodeFloat16, encodeFloat16 } from './cache/float16.js';
import type { FrozenEncoder, TokenFeatures } from './contract.js';

/** How token-level outputs of any encoder are laid out for methods: always so many tokens of such a width. */
export interface TokenLayout {
  /** Tokens a content; fewer are padded, more are pooled (places of an image) or cut off (word pieces). */
  readonly count: number;
  /** Width of a token; wider ones go through a fixed random projection. */
  readonly dim: number;
}

/**
 * 4 × 4 places of an image; 48 word pieces of a text. A transformer over both costs about half of
 * what it costs over 7 × 7 places and 64 word pieces.
 */
export const TOKEN_LAYOUTS: Readonly<Record<Modality, TokenLayout>> = {
  image: { count: 16, dim: 256 },
  text: { count: 48, dim: 256 },
};

/** A square map's places, without a class token before them: it is no place. Other counts stay as they are. */
function withoutClassToken<Token>(tokens: readonly Token[]): readonly Token[] {
  return Number.isInteger(Math.sqrt(tokens.length - 1)) && tokens.length > 2 ? tokens.slice(1) : tokens;
}

/**
 * Averages a square map's places into a smaller square (adaptive average pooling): bin i of n covers the places from
 * ⌊i·side/n⌋ to ⌈(i+1)·side/n⌉.
 * @param tokens [side², dim], row by row
 * @returns [target², dim]; none when `tokens` are no square map
 */
export function poolPlaces(tokens: readonly Float32Array[], target: number): Float32Array[] | undefined {
  const side = Math.sqrt(tokens.length);
  if (!Number.isInteger(side) || side < target) return undefined;
  const bins = Array.from({ length: target }, (_, i) => ({
    start: Math.floor((i * side) / target),
    end: Math.ceil(((i + 1) * side) / target),
  }));
  return bins.flatMap((rows) =>
    bins.map((columns) => {
      const places: Float32Array[] = [];
      for (let row = rows.start; row < rows.end; row++) {
        for (let column = columns.start; column < columns.end; column++) {
          places.push(tokens[row * side + column] as Float32Array);
        }
      }
      return mean(places);
    }),
  );
}

function mean(rows: readonly Float32Array[]): Float32Array {
  const [first] = rows as [Float32Array];
  return first.map((_, i) => rows.reduce((sum, row) => sum + (row[i] as number), 0) / rows.length);
}

/**
 * A random projection: `dim` sums of all inputs with signs drawn once and for all, over √dim, so that squared lengths
 * and inner products keep their expectation (the Johnson-Lindenstrauss lemma).
 * Source: Achlioptas, "Database-friendly random projections" (PODS 2001), the dense variant.
 */
export class RandomProjection {
  private readonly signs: Float32Array;

  /** The signs depend on the two widths only. */
  constructor(
    private readonly inputs: number,
    readonly dim: number,
  ) {
    const random = createRandom(`token projection ${inputs} ${dim}`);
    const scale = 1 / Math.sqrt(dim);
    this.signs = new Float32Array(inputs * dim);
    for (let i = 0; i < this.signs.length; i += 32) {
      let bits = random.uint32();
      for (let j = i; j < Math.min(i + 32, this.signs.length); j++, bits >>>= 1)
        this.signs[j] = bits & 1 ? scale : -scale;
    }
  }

  /** Adds the projection of `input` [inputs] to `target` [dim]. Zeros, of which rectified maps are full, cost nothing. */
  addTo(target: Float32Array, input: Float32Array): void {
    const { signs, dim } = this;
    for (let i = 0; i < this.inputs; i++) {
      const value = input[i] as number;
      if (value === 0) continue;
      const offset = i * dim;
      for (let j = 0; j < dim; j++) target[j] = (target[j] as number) + value * (signs[offset + j] as number);
    }
  }
}

/**
 * A content's tokens as one row of numbers that half precision holds: `count · dim` token values (zeros after the
 * last), how many tokens there are, and each token's word piece as two numbers below 1,024 (`id = high · 1024 + low`).
 */
export function tokenRowWidth({ count, dim }: TokenLayout): number {
  return count * dim + 1 + 2 * count;
}

const BASE = 1024;
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

/** Part of the id: changes when the rows of a modality do. */
const VERSION: Readonly<Record<Modality, string>> = { image: 'v2', text: 'v1' };

/**
 * An encoder whose features are another's tokens, one row a content (see `packTokens`), rounded to half precision: so
 * tokens go through the same cache as features. A 7 × 7 map of 1,792 values, 343 KiB, takes 25 KiB.
 */
class TokenRowEncoder<Content> implements FrozenEncoder<Content> {
  readonly trainable = false;
  readonly storage = 'float16';
  readonly id: string;
  readonly modality: Modality;
  readonly outputDim: number;
  readonly preferredBatch?: number;
  private readonly projection: RandomProjection | undefined;

  constructor(
    private readonly encoder: FrozenEncoder<Content>,
    private readonly layout: TokenLayout,
    tokenDim: number,
  ) {
    const { count, dim } = layout;
    this.id = `${encoder.id}:tokens${count}x${dim}-${VERSION[encoder.modality]}`;
    this.modality = encoder.modality;
    this.outputDim = tokenRowWidth(layout);
    if (encoder.preferredBatch !== undefined) this.preferredBatch = encoder.preferredBatch;
    this.projection = tokenDim === dim ? undefined : new RandomProjection(tokenDim, dim);
  }

  get isBatchInvariant(): boolean {
    return this.encoder.isBatchInvariant === true;
  }

  preprocess(contents: readonly Content[]): Promise<HostTree> {
    return this.encoder.preprocess(contents);
  }

  async encode(contents: readonly Content[]): Promise<HostTensor> {
    const rows = new Float32Array(contents.length * this.outputDim);
    if (contents.length > 0) {
      const features = (await this.encoder.encodeTokens?.(contents)) as TokenFeatures;
      contents.forEach((_, post) => rows.set(this.rowOf(features, post), post * this.outputDim));
    }
    return hostTensor(rows, [contents.length, this.outputDim]);
  }

  /** The encoder behind it belongs to whoever made it. */
  async dispose(): Promise<void> {}

  private rowOf({ tokens, mask, pieces }: TokenFeatures, post: number): Float32Array {
    const [, length, width] = tokens.shape as [number, number, number];
    const data = floatData(tokens);
    const standing = Array.from({ length }, (_, i) => post * length + i).filter((place) => mask.data[place] === 1);
    const states = standing.map((place) => data.subarray(place * width, (place + 1) * width));
    const fitting = this.fit(states);
    const ids =
      pieces === undefined ? [] : standing.slice(0, fitting.length).map((place) => pieces.data[place] as number);
    const row = packTokens(
      this.layout,
      fitting.map((state) => this.project(state)),
      ids,
    );
    return decodeFloat16(encodeFloat16(row));
  }

  private fit(states: readonly Float32Array[]): readonly Float32Array[] {
    const { count } = this.layout;
    const tokens = this.modality === 'image' ? withoutClassToken(states) : states;
    if (tokens.length <= count) return tokens;
    const side = Math.sqrt(count);
    const pooled = this.modality === 'image' && Number.isInteger(side) ? poolPlaces(tokens, side) : undefined;
    return pooled ?? tokens.slice(0, count);
  }

  private project(state: Float32Array): Float32Array {
    if (this.projection === undefined) return state;
    const target = new Float32Array(this.projection.dim);
    this.projection.addTo(target, state);
    return target;
  }
}

/**
 * The token rows of an encoder, for the cache.
 * @throws ConfigurationError when the encoder has no token-level outputs
 */
export function tokenRowEncoder<Content>(
  encoder: FrozenEncoder<Content>,
  layout: TokenLayout = tokenLayoutOf(encoder),
): FrozenEncoder<Content> {
  const { tokenDim } = encoder;
  if (tokenDim !== undefined && encoder.encodeTokens !== undefined)
    return new TokenRowEncoder(encoder, layout, tokenDim);
  throw new ConfigurationError({
    subject: `Encoder "${encoder.id}"`,
    expected: 'token-level outputs, which the method reads',
    received: 'pooled features only',
    remedy: 'choose another encoder, or the method drf or concatenation',
  });
}

/** The layout of a modality, no wider than the encoder's tokens are. */
export function tokenLayoutOf(encoder: Pick<FrozenEncoder<never>, 'modality' | 'tokenDim'>): TokenLayout {
  const { count, dim } = TOKEN_LAYOUTS[encoder.modality];
  return { count, dim: Math.min(dim, encoder.tokenDim ?? dim) };
}
