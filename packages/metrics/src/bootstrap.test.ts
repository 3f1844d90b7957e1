import { createRandom } from '@drf/tensor';
import { describe, expect, it } from 'vitest';
import { pairedBootstrap } from './bootstrap.js';
import { accuracy, macroF1, weightedF1 } from './scores.js';

const random = createRandom('bootstrap data');
const labels = Array.from({ length: 300 }, () => random.integer(3));
const method = (skill: number): number[] =>
  labels.map((label) => (random.uniform() < skill ? label : random.integer(3)));
const [good, fair, poor] = [method(0.7), method(0.68), method(0.2)];
const options = (seed: number, more = {}) => ({ classCount: 3, random: createRandom(seed), resamples: 400, ...more });

describe('pairedBootstrap', () => {
  it('repeats under a seed and differs under another', () => {
    const once = pairedBootstrap(labels, [good], [fair], options(1));
    expect(pairedBootstrap(labels, [good], [fair], options(1))).toEqual(once);
    expect(pairedBootstrap(labels, [good], [fair], options(2)).interval).not.toEqual(once.interval);
  });

  it('agrees with measuring every resample from its posts', () => {
    for (const [metric, measure] of Object.entries({ accuracy, weightedF1, macroF1 })) {
      const { difference, interval } = pairedBootstrap(labels, [good, fair], [fair, poor], options(5, { metric }));
      const stream = createRandom(5);
      const mean = (runs: number[][], posts: number[]): number =>
        runs.reduce(
          (sum, run) =>
            sum +
            measure(
              posts.map((i) => labels[i]!),
              posts.map((i) => run[i]!),
              3,
            ),
          0,
        ) / 2;
      const onPosts = (posts: number[]): number => mean([good, fair], posts) - mean([fair, poor], posts);
      const differences = Array.from({ length: 400 }, () =>
        onPosts(labels.map(() => stream.integer(labels.length))),
      ).sort((a, b) => a - b);
      // numpy.quantile(differences, [0.025, 0.975]): 0.025 · 399 = 9.975 and 389.025
      const between = (i: number, share: number): number =>
        differences[i]! + share * (differences[i + 1]! - differences[i]!);
      expect(difference).toBeCloseTo(onPosts(labels.map((_, i) => i)), 12);
      expect(interval.low).toBeCloseTo(between(9, 0.975), 12);
      expect(interval.high).toBeCloseTo(between(389, 0.025), 12);
    }
  });

  it('has the width that the theory of paired shares gives', () => {
    const { difference, interval } = pairedBootstrap(labels, [good], [poor], options(3, { resamples: 4000 }));
    const scores = labels.map((label, i) => Number(good[i] === label) - Number(poor[i] === label));
    const variance = scores.reduce((sum, score) => sum + (score - difference) ** 2, 0) / labels.length;
    const margin = 1.96 * Math.sqrt(variance / labels.length);
    expect(Math.abs(interval.low - (difference - margin))).toBeLessThan(0.1 * margin);
    expect(Math.abs(interval.high - (difference + margin))).toBeLessThan(0.1 * margin);
    expect(interval.low).toBeGreaterThan(0);
  });

  it('sees no difference between a method and itself', () => {
    const same = pairedBootstrap(labels, [good], [good], options(1));
    expect(same).toEqual({ difference: 0, interval: { low: 0, high: 0, confidence: 0.95 }, resamples: 400 });
  });

  it('refuses what does not belong together', () => {
    const run =
      (first: number[][], second: number[][], more = {}) =>
      () =>
        pairedBootstrap(labels, first, second, options(1, more));
    expect(run([good], [good.slice(1)])).toThrow('pairedBootstrap expected as many predictions as labels (300)');
    expect(run([good, fair], [good])).toThrow('expected as many of the second as runs of the first method (2)');
    expect(run([], [])).toThrow("expected at least one of the first method's runs");
    expect(run([good], [fair], { classCount: 2 })).toThrow('expected labels from 0 to 1, received 2');
    expect(run([good], [fair], { resamples: 10 })).toThrow('expected at least 100 resamples, received 10');
    expect(run([good], [fair], { confidence: 95 })).toThrow('a confidence between 0 and 1, received 95');
  });
});
