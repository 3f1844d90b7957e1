import { ConfigurationError, floatData, hostTensor, type HostTensor, type HostTree, type Modality } from '@drf/tensor';
import { decodeFloat16, encodeFloat16 } from '../cache/float16.js';
import type { FrozenEncoder, TokenFeatures } from '../contract.js';
import { TOKEN_LAYOUTS, type TokenLayout } from './layout.js';
import { poolPlaces, withoutClassToken } from './pool-places.js';
import { RandomProjection } from './projection.js';
import { packTokens, tokenRowWidth } from './token-row.js';

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
