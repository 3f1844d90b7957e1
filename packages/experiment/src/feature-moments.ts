import type { FeatureMoments } from '@drf/model';
import type { FeatureRows, FeatureSet } from './feature-set.js';

const ROWS_AT_ONCE = 256;

/** Mean and standard deviation of each encoder output over the posts that have the modality. */
export async function measureFeatures(set: FeatureSet): Promise<{ image: FeatureMoments; text: FeatureMoments }> {
  return {
    image: await momentsOf(set.image, set.imageAvailable),
    text: await momentsOf(set.text, set.textAvailable),
  };
}

async function momentsOf(rows: FeatureRows, available: Float32Array): Promise<FeatureMoments> {
  const present = [...available.keys()].filter((index) => available[index] === 1);
  const sums = new Float64Array(rows.dim);
  const squares = new Float64Array(rows.dim);
  for (let start = 0; start < present.length; start += ROWS_AT_ONCE) {
    const { data } = await rows.gather(present.slice(start, start + ROWS_AT_ONCE));
    for (let i = 0; i < data.length; i++) {
      const value = data[i] as number;
      sums[i % rows.dim] = (sums[i % rows.dim] as number) + value;
      squares[i % rows.dim] = (squares[i % rows.dim] as number) + value * value;
    }
  }
  const count = Math.max(1, present.length);
  const mean = Float32Array.from(sums, (sum) => sum / count);
  const std = Float32Array.from(squares, (sum, i) => Math.sqrt(Math.max(0, sum / count - (mean[i] as number) ** 2)));
  return { mean, std };
}
