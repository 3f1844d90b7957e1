import { createRandom } from '@drf/tensor';
import { describe, expect, it } from 'vitest';
import { applyTemperature, fitTemperature, MINIMUM_POSTS, PRIOR_POSTS } from './temperature.js';

describe('applyTemperature', () => {
  it('agrees with a hand-computed value and keeps order and sum', () => {
    // sqrt(0.64), sqrt(0.36) = 0.8, 0.6, over their sum
    expect([...applyTemperature([0.64, 0.36], 2)].map((p) => p.toFixed(6))).toEqual(['0.571429', '0.428571']);
    const row = [0.2, 0.5, 0.3];
    for (const temperature of [0.05, 0.5, 1, 3, 20]) {
      const scaled = [...applyTemperature(row, temperature)];
      expect(scaled.reduce((a, b) => a + b)).toBeCloseTo(1, 12);
      expect(scaled.indexOf(Math.max(...scaled))).toBe(1);
    }
    expect([...applyTemperature([1, 0], 1)][0]).toBeCloseTo(1, 12);
  });

  it('refuses what is no temperature', () => {
    for (const temperature of [0, -1, NaN, Infinity]) {
      expect(() => applyTemperature([1], temperature)).toThrow('applyTemperature expected a positive temperature');
    }
  });
});

describe('fitTemperature', () => {
  const random = createRandom('temperature');
  /** Labels drawn from softmax(z), and probabilities softmax(z · sureness). */
  function drawn(posts: number, sureness: number): { labels: number[]; rows: number[][] } {
    const softmax = (z: readonly number[]): number[] => {
      const powers = z.map(Math.exp);
      return powers.map((power) => power / powers.reduce((a, b) => a + b));
    };
    const labels: number[] = [];
    const rows = Array.from({ length: posts }, () => {
      const z = [random.normal(), random.normal(), random.normal()];
      const [first, second] = softmax(z) as [number, number, number];
      const at = random.uniform();
      labels.push(at < first ? 0 : at < first + second ? 1 : 2);
      return softmax(z.map((value) => value * sureness));
    });
    return { labels, rows };
  }

  it('finds how much too sure a model is', () => {
    const { labels, rows } = drawn(20_000, 3);
    const fit = fitTemperature(labels, rows, 3);
    expect(fit.temperature).toBeGreaterThan(2.8);
    expect(fit.temperature).toBeLessThan(3.2);
    expect(fit.after).toBeLessThan(fit.before);
  });

  it('is nowhere beaten by a fine grid, the prior counted', () => {
    const { labels, rows } = drawn(300, 0.5);
    const { temperature, after, basis } = fitTemperature(labels, rows, 3);
    const prior = (t: number): number => (PRIOR_POSTS / 2 / 300) * Math.log(t) ** 2;
    for (let inverse = 0.05; inverse <= 20; inverse += 0.01) {
      const loss =
        rows.reduce(
          (sum, row, post) => sum - Math.log(applyTemperature(row, 1 / inverse)[labels[post] as number] as number),
          0,
        ) / 300;
      expect(after + prior(temperature)).toBeLessThanOrEqual(loss + prior(1 / inverse) + 1e-9);
    }
    expect(temperature).toBeLessThan(1);
    expect(basis).toBe('fitted');
  });

  it('leaves 1, and says why, where posts are few, of one class, or have no best temperature', () => {
    const sure = (posts: number) => Array.from({ length: posts }, (_, i) => (i % 2 === 0 ? [0.9, 0.1] : [0.1, 0.9]));
    const labels = (posts: number) => Array.from({ length: posts }, (_, i) => i % 2);
    const few = fitTemperature(labels(MINIMUM_POSTS - 1), sure(MINIMUM_POSTS - 1), 2);
    expect(few).toMatchObject({ temperature: 1, basis: 'few-posts', posts: MINIMUM_POSTS - 1 });
    expect(few.after).toBe(few.before);
    const one = fitTemperature(
      new Int32Array(50),
      Array.from({ length: 50 }, () => [0.6, 0.4]),
      2,
    );
    expect(one).toMatchObject({ temperature: 1, basis: 'one-class', posts: 50 });
    // probabilities that contradict every label, many times over: only T = ∞ would do
    const wrong = fitTemperature(
      labels(4000).map((label) => 1 - label),
      sure(4000),
      2,
    );
    expect(wrong).toMatchObject({ temperature: 1, basis: 'at-bound' });
    expect(() => fitTemperature([], [], 2)).toThrow(/fitTemperature expected at least one of the labels/);
  });

  it('makes no post certain, though all be right', () => {
    const rows = Array.from({ length: 40 }, (_, i) => (i % 2 === 0 ? [0.9, 0.1] : [0.1, 0.9]));
    const labels = rows.map(([first]) => (first === 0.9 ? 0 : 1));
    const { temperature, basis } = fitTemperature(labels, rows, 2);
    expect(basis).toBe('fitted');
    expect(temperature).toBeGreaterThan(0.4);
    expect(Math.max(...applyTemperature([0.9, 0.1], temperature))).toBeLessThan(1 - 1 / 400);
  });

  it.each([4, 12, 30, 60, 200])('is on average no worse than 1 on other posts, fitted on %i', (posts) => {
    const mean = (t: number, { labels, rows }: ReturnType<typeof drawn>): number =>
      rows.reduce((sum, row, i) => sum - Math.log(applyTemperature(row, t)[labels[i] as number] as number), 0) /
      rows.length;
    for (const sureness of [0.5, 1, 2, 3]) {
      let gain = 0;
      const rounds = 60;
      for (let round = 0; round < rounds; round++) {
        const own = drawn(posts, sureness);
        const other = drawn(200, sureness);
        gain += (mean(1, other) - mean(fitTemperature(own.labels, own.rows, 3).temperature, other)) / rounds;
      }
      if (posts < MINIMUM_POSTS) expect(gain).toBe(0);
      else expect(gain, `sureness ${sureness}`).toBeGreaterThan(sureness === 1 ? -0.01 : 0);
    }
  });
});
