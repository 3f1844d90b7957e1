import { hostTensor, type Host } from '@drf/tensor';
import type { TokenInputs } from '@drf/model';
import { placeBins } from '../place-bins.js';

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
