import type { FeatureMoments } from '@drf/model';
import { floatData, type ByModality } from '@drf/tensor';
import type { FeatureSet, TokenRows } from './feature-set.js';

const ROWS_AT_ONCE = 256;
/** Fewer, since a ViT has 196 places of an image. */
const TOKEN_ROWS_AT_ONCE = 64;

/** Both modalities as features: see `withInitialFeatures` for a set with contents. */
export type MeasurableSet = Pick<FeatureSet, 'ids' | 'image' | 'text'>;

/** Mean and standard deviation of each encoder output over the posts that have the modality. */
export async function measureFeatures({ image, text }: MeasurableSet): Promise<ByModality<FeatureMoments>> {
  return { image: await momentsOf(image), text: await momentsOf(text) };
}

/**
 * Mean and standard deviation of each value of a token over all tokens that stand; nothing where a set has none. See
 * `withInitialFeatures` for a modality whose encoder is trained.
 */
export async function measureTokens({
  ids,
  image,
  text,
}: MeasurableSet): Promise<ByModality<FeatureMoments> | undefined> {
  if (image.tokens === undefined || text.tokens === undefined) return undefined;
  return { image: await tokenMoments(image.tokens, ids.length), text: await tokenMoments(text.tokens, ids.length) };
}

async function tokenMoments({ layout, gather }: TokenRows, posts: number): Promise<FeatureMoments> {
  const sums = new MomentSums(layout.dim);
  for (let start = 0; start < posts; start += TOKEN_ROWS_AT_ONCE) {
    const indices = Array.from({ length: Math.min(TOKEN_ROWS_AT_ONCE, posts - start) }, (_, i) => start + i);
    const { tokens, mask } = await gather(indices);
    const data = floatData(tokens);
    mask.data.forEach((stands, token) => {
      if (stands === 1) sums.add(data.subarray(token * layout.dim, (token + 1) * layout.dim));
    });
  }
  return sums.moments();
}

/** Sums of values and of their squares. */
class MomentSums {
  private readonly sums: Float64Array;
  private readonly squares: Float64Array;
  private count = 0;

  constructor(width: number) {
    this.sums = new Float64Array(width);
    this.squares = new Float64Array(width);
  }

  add(row: Float32Array): void {
    this.count++;
    for (let i = 0; i < row.length; i++) {
      const value = row[i] as number;
      this.sums[i] = (this.sums[i] as number) + value;
      this.squares[i] = (this.squares[i] as number) + value * value;
    }
  }

  moments(): FeatureMoments {
    const count = Math.max(1, this.count);
    const mean = Float32Array.from(this.sums, (sum) => sum / count);
    const std = Float32Array.from(this.squares, (sum, i) =>
      Math.sqrt(Math.max(0, sum / count - (mean[i] as number) ** 2)),
    );
    return { mean, std };
  }
}

async function momentsOf({ rows, available }: FeatureSet['image']): Promise<FeatureMoments> {
  const present = [...available.keys()].filter((index) => available[index] === 1);
  const sums = new MomentSums(rows.dim);
  for (let start = 0; start < present.length; start += ROWS_AT_ONCE) {
    const { data } = await rows.gather(present.slice(start, start + ROWS_AT_ONCE));
    for (let offset = 0; offset < data.length; offset += rows.dim) {
      sums.add((data as Float32Array).subarray(offset, offset + rows.dim));
    }
  }
  return sums.moments();
}
