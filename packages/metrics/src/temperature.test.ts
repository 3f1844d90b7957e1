import { createRandom } from '@drf/tensor';
import { describe, expect, it } from 'vitest';
import { applyTemperature, fitTemperature } from './temperature.js';

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

  it('is nowhere beaten by a fine grid', () => {
    const { labels, rows } = drawn(300, 0.5);
    const { temperature, after } = fitTemperature(labels, rows, 3);
    for (let inverse = 0.05; inverse <= 20; inverse += 0.01) {
      const loss =
        rows.reduce(
          (sum, row, post) => sum - Math.log(applyTemperature(row, 1 / inverse)[labels[post] as number] as number),
          0,
        ) / 300;
      expect(after).toBeLessThanOrEqual(loss + 1e-9);
    }
    expect(temperature).toBeLessThan(1);
  });

  it('stays in bounds where all posts are right, and refuses no posts', () => {
    expect(fitTemperature([0, 0], [[0.9, 0.1], [0.8, 0.2]], 2).temperature).toBeCloseTo(0.05, 3); // prettier-ignore
    expect(() => fitTemperature([], [], 2)).toThrow(/fitTemperature expected at least one of the labels/);
  });
});
