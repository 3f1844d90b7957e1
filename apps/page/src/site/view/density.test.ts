import { quantilesOf } from '@drf/metrics';
import { createRandom } from '@drf/tensor';
import { describe, expect, it } from 'vitest';
import { densityCurve } from './density.js';

const random = createRandom('density');
const normal = quantilesOf(Array.from({ length: 4000 }, () => random.normal())) as number[];
/** Intact posts, and corrupted ones a thousand times farther away. */
const mixed = quantilesOf(Array.from({ length: 4000 }, (_, i) => (i % 4 === 0 ? -1e5 : -100) * (1 + 0.1 * random.uniform()))) as number[]; // prettier-ignore

/** Where the curve is highest, from 0 to 1, within a part of it. */
function peak(heights: readonly number[], from = 0, to = 1): number {
  const part = heights.map((height, i) => ({ height, at: i / (heights.length - 1) })).filter(({ at }) => at >= from && at <= to); // prettier-ignore
  return part.reduce((a, b) => (b.height > a.height ? b : a)).at;
}

describe('densityCurve', () => {
  it('keeps the order of densities, and stays inside', () => {
    for (const quantiles of [normal, mixed]) {
      const { place, heights } = densityCurve(quantiles);
      const places = quantiles.map(place);
      places.slice(1).forEach((at, i) => expect(at).toBeGreaterThanOrEqual(places[i] as number));
      expect([Math.min(...places) > 0, Math.max(...places) < 1]).toEqual([true, true]);
      expect([place(-1e9), place(1e9)]).toEqual([0, 1]);
      expect([Math.max(...heights), Math.min(...heights) >= 0]).toEqual([1, true]);
    }
  });

  it('shows both humps where the training posts have two', () => {
    const { place, heights } = densityCurve(mixed);
    const [corrupted, intact] = [place(-1.05e5), place(-105)];
    expect(intact - corrupted).toBeGreaterThan(0.3);
    const middle = (corrupted + intact) / 2;
    expect(Math.abs(peak(heights, 0, middle) - corrupted)).toBeLessThan(0.05);
    expect(Math.abs(peak(heights, middle, 1) - intact)).toBeLessThan(0.1);
    expect(heights[Math.round(middle * (heights.length - 1))]).toBeLessThan(0.1);
  });

  it('takes a distribution of one value', () => {
    const { heights, place } = densityCurve([4, 4, 4]);
    expect(heights.every(Number.isFinite)).toBe(true);
    expect(place(3)).toBeLessThan(place(4));
    expect(place(4)).toBeLessThan(place(5));
  });
});
