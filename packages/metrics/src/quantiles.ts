import { quantile } from './quantile.js';

/** Steps between the lowest and the highest value that are kept of a distribution. */
const STEPS = 200;

/**
 * Quantiles 0, 1/200, …, 1 of some numbers, with linear interpolation (type 7 of Hyndman and Fan, 1996).
 * @returns null for none
 */
export function quantilesOf(values: ArrayLike<number>): number[] | null {
  if (values.length === 0) return null;
  const sorted = Float64Array.from(values).sort();
  return Array.from({ length: STEPS + 1 }, (_, step) => quantile(sorted, step / STEPS));
}

/** The share, from 0 to 1, of a distribution that lies below a value: the inverse of {@link quantilesOf}. */
export function shareBelow(quantiles: readonly number[], value: number): number {
  const last = quantiles.length - 1;
  if (!(value > (quantiles[0] as number))) return 0;
  if (value >= (quantiles[last] as number)) return 1;
  let [low, high] = [0, last]; // quantiles[low] < value ≤ quantiles[high]
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if ((quantiles[middle] as number) < value) low = middle;
    else high = middle;
  }
  const [below, above] = [quantiles[low] as number, quantiles[high] as number];
  return (low + (value - below) / (above - below)) / last;
}
