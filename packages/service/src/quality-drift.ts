/** Posts whose quality is compared with the calibration's. */
const WINDOW = 1_000;
/** Fewer say nothing: with 200, chance alone makes an index of 0.045 on average ((10 − 1) / 200). */
const FEWEST = 200;

/**
 * Upper bounds of the calibration's deciles. A quality is the share of calibration posts that look less usual, so each
 * decile gets a tenth of the posts that are like those.
 */
export const DECILES: readonly number[] = Array.from({ length: 10 }, (_, i) => (i + 1) / 10);

/**
 * How far the qualities of the last posts are from those of the calibration: the population stability index
 *
 *   PSI = Σ_d (p_d − 1/10) ln(p_d / (1/10))
 *
 * p_d: share of the last 1,000 posts in decile d, with half a post added to each, so that an empty one is no infinity.
 * Below 0.1 it is taken for stable, from 0.25 on for another population (Siddiqi, "Credit Risk Scorecards", 2006).
 */
export class QualityDrift {
  private readonly window: number[] = [];
  private next = 0;
  private readonly counts = DECILES.map(() => 0);

  /** @param quality 0 to 1 */
  add(quality: number): void {
    const decile = Math.max(0, DECILES.findIndex((bound) => quality <= bound)); // prettier-ignore
    const leaves = this.window[this.next];
    if (leaves !== undefined) this.counts[leaves] = (this.counts[leaves] as number) - 1;
    this.window[this.next] = decile;
    this.counts[decile] = (this.counts[decile] as number) + 1;
    this.next = (this.next + 1) % WINDOW;
  }

  /** The index; null while there are fewer than 200 posts. */
  get index(): number | null {
    const posts = this.window.length;
    if (posts < FEWEST) return null;
    const expected = 1 / DECILES.length;
    return this.counts.reduce((sum, count) => {
      const share = (count + 0.5) / (posts + DECILES.length / 2);
      return sum + (share - expected) * Math.log(share / expected);
    }, 0);
  }

  /** Begins anew, as another model's qualities do. */
  clear(): void {
    this.window.length = 0;
    this.next = 0;
    this.counts.fill(0);
  }
}
