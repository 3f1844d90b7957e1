/** Steps between the lowest and the highest value that are kept of a distribution. */
const STEPS = 200;
/** Of the values, those that the lower tail is estimated from; five at least. */
const TAIL_SHARE = 0.1;
const TAIL_VALUES = 5;

/**
 * Quantiles 0, 1/200, …, 1 of the distribution that some numbers were drawn from, such that a new draw falls below the
 * quantile p with probability p: place p·(n + 1) among the n ordered values, with linear interpolation (type 6 of Hyndman
 * and Fan, 1996). Quantiles below 1 / (n + 1), where no value is left, come from an exponential tail fitted to the lowest
 * tenth of the values (peaks over threshold; Pickands 1975): with k excesses of mean θ below the threshold u, a new value
 * lies below u − x with probability P(u)·(1 + x / kθ)⁻ᵏ, which is exact for exponential tails. Quantile 0 is the lowest
 * value, or quantile 1/200 where that is lower still.
 * @returns null for fewer than two
 */
export function quantilesOf(values: ArrayLike<number>): number[] | null {
  if (values.length < 2) return null;
  const sorted = Float64Array.from(values).sort();
  const quantiles = Array.from({ length: STEPS + 1 }, (_, step) => quantileForNew(sorted, step / STEPS));
  quantiles[0] = Math.min(sorted[0] as number, quantiles[1] as number);
  return quantiles;
}

/** @param sorted ascending, two values at least */
function quantileForNew(sorted: Float64Array, share: number): number {
  const count = sorted.length;
  const place = Math.min(count, share * (count + 1));
  if (place < 1) return share === 0 ? (sorted[0] as number) : tailQuantile(sorted, share);
  const [below, above] = [sorted[Math.floor(place) - 1] as number, sorted[Math.ceil(place) - 1] as number];
  return below + (above - below) * (place - Math.floor(place));
}

/** A quantile below the lowest value, by the predictive distribution of an exponential tail. */
function tailQuantile(sorted: Float64Array, share: number): number {
  const count = sorted.length;
  const excesses = Math.min(count - 1, Math.max(TAIL_VALUES, Math.round(TAIL_SHARE * count)));
  const threshold = sorted[excesses] as number;
  const sum = sorted.subarray(0, excesses).reduce((total, value) => total + (threshold - value), 0); // kθ
  const below = (excesses + 1) / (count + 1);
  return Math.min(sorted[0] as number, threshold - sum * ((below / share) ** (1 / excesses) - 1));
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

/** Linear interpolation between order statistics, as numpy's default. @param sorted ascending */
export function quantile(sorted: Float64Array, share: number): number {
  const place = share * (sorted.length - 1);
  const [below, above] = [sorted[Math.floor(place)] as number, sorted[Math.ceil(place)] as number];
  return below + (above - below) * (place - Math.floor(place));
}
