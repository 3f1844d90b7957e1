/** Where a distribution is drawn: a log density's place, from 0 at the left to 1 at the right. */
interface DensityScale {
  place(logDensity: number): number;
}

export interface DensityCurve extends DensityScale {
  /** Heights from 0 to 1 at even places from 0 to 1. */
  readonly heights: readonly number[];
}

/** Empty room at both sides, as a share of the spread of the training posts. */
const MARGIN = 0.12;
const POINTS = 120;

/**
 * Draws low densities closer together: ln(1 + (top − x) / s) to the left of the highest training post, where s is the
 * distance from there to the best tenth. Log densities of corrupted posts can lie a thousand times farther from the top
 * than those of intact ones.
 */
function compression(quantiles: readonly number[]): (x: number) => number {
  const last = quantiles.length - 1;
  const top = quantiles[last] as number;
  const unit = top - (quantiles[Math.round(0.9 * last)] as number) || top - (quantiles[0] as number) || 1;
  return (x) => (x <= top ? -Math.log1p((top - x) / unit) : (x - top) / unit);
}

/**
 * The density of a distribution that is known by its quantiles, along a compressed axis: a sum of Gaussians at the
 * quantiles, as wide as Silverman's rule has it (Silverman, "Density estimation for statistics and data analysis", 1986).
 * @param quantiles at least two, in even steps from the lowest to the highest value
 */
export function densityCurve(quantiles: readonly number[]): DensityCurve {
  const compress = compression(quantiles);
  const points = quantiles.map(compress);
  const [low, high] = [points[0] as number, points.at(-1) as number];
  const spread = high - low || 1;
  const start = low - MARGIN * spread;
  const length = spread * (1 + 2 * MARGIN);
  const width = bandwidth(points) || spread / POINTS;
  const raw = Array.from({ length: POINTS }, (_, i) => {
    const at = start + (length * i) / (POINTS - 1);
    return points.reduce((sum, point) => sum + Math.exp(-0.5 * ((at - point) / width) ** 2), 0);
  });
  const highest = Math.max(...raw);
  return {
    heights: raw.map((height) => height / highest),
    place: (logDensity) => Math.max(0, Math.min(1, (compress(logDensity) - start) / length)),
  };
}

/** Silverman's rule: 0.9 · min(standard deviation, interquartile range / 1.34) · n^(−1/5); half of it, for more detail. */
function bandwidth(sorted: readonly number[]): number {
  const n = sorted.length;
  const mean = sorted.reduce((a, b) => a + b, 0) / n;
  const deviation = Math.sqrt(sorted.reduce((sum, value) => sum + (value - mean) ** 2, 0) / n);
  const quartile = (share: number): number => sorted[Math.round(share * (n - 1))] as number;
  const range = (quartile(0.75) - quartile(0.25)) / 1.34;
  return 0.45 * Math.min(deviation, range || deviation) * n ** -0.2;
}
