import { createRandom, DataError, NonFiniteError } from '@drf/tensor';
import { describe, expect, it } from 'vitest';
import { pairedBootstrap, pairedGainBootstrap, pairedSeedBootstrap } from './bootstrap.js';
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

  it('takes as long and as much memory as there are classes, not as their square', () => {
    const classCount = 20_000; // whose confusion matrix would take 3 GB in each resample
    const labels = Int32Array.of(0, 7, classCount - 1, 7);
    const wrong = labels.map((label) => (label + 1) % classCount);
    const { difference, interval } = pairedBootstrap(labels, [labels], [wrong], {
      classCount,
      random: createRandom(1),
      metric: 'macroF1',
      resamples: 100,
    });
    expect([difference, interval.low, interval.high]).toEqual([1, 1, 1]);
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

const freshRandom = () => createRandom(5);
const ones = Array.from({ length: 200 }, () => 1);
/** Right on a share of the posts, drawn anew for each seed. */
function answers(share: number, seeds: number, name: string): number[][] {
  return Array.from({ length: seeds }, (_, seed) => {
    const own = createRandom(seed).fork(name);
    return ones.map(() => (own.uniform() < share ? 1 : 0));
  });
}

describe('pairedSeedBootstrap', () => {
  it('finds a difference that is there, with the same seed the same interval', () => {
    const [good, bad] = [answers(0.8, 5, 'good'), answers(0.6, 5, 'bad')];
    const result = pairedSeedBootstrap(ones, good, bad, { random: freshRandom(), resamples: 2000 });
    const accuracy = (runs: number[][]): number => runs.flat().filter((answer) => answer === 1).length / 1000;
    expect(result.difference).toBeCloseTo(accuracy(good) - accuracy(bad), 12);
    expect(result.interval.low).toBeGreaterThan(0.1);
    expect(result.interval.high).toBeLessThan(0.3);
    expect(result.pValue).toBeCloseTo(2 / 2001, 12);
    expect(pairedSeedBootstrap(ones, good, bad, { random: freshRandom(), resamples: 2000 })).toEqual(result);
    const turned = pairedSeedBootstrap(ones, bad, good, { random: freshRandom(), resamples: 2000 });
    expect(turned.interval.high).toBeCloseTo(-result.interval.low, 12);
    expect(turned.pValue).toBe(result.pValue);
  });

  it('finds none between a method and itself', () => {
    const own = answers(0.7, 3, 'own');
    const result = pairedSeedBootstrap(ones, own, own, { random: freshRandom(), resamples: 500 });
    expect(result).toMatchObject({ difference: 0, interval: { low: 0, high: 0 }, pValue: 1 });
  });

  it('is wider than over posts alone where seeds disagree about which method is better', () => {
    const always = ones.map(() => 1);
    const never = ones.map(() => 0);
    const result = pairedSeedBootstrap(ones, [always, never, always, never], [never, always, never, always], {
      random: freshRandom(),
      resamples: 1000,
    });
    expect(result.difference).toBe(0);
    expect(result.interval.low).toBe(-1);
    expect(result.interval.high).toBe(1);
  });

  it('covers a true difference of 0 in about 95 of 100 experiments', () => {
    let covered = 0;
    for (let experiment = 0; experiment < 100; experiment++) {
      const draw = createRandom(experiment).fork('posts');
      const runs = (): number[][] => Array.from({ length: 5 }, () => ones.map(() => (draw.uniform() < 0.7 ? 1 : 0)));
      const { interval } = pairedSeedBootstrap(ones, runs(), runs(), { random: freshRandom(), resamples: 200 });
      if (interval.low <= 0 && interval.high >= 0) covered++;
    }
    expect(covered).toBeGreaterThanOrEqual(90);
  });

  it('refuses lists that do not pair', () => {
    expect(() => pairedSeedBootstrap(ones, answers(1, 2, 'a'), answers(1, 3, 'a'), { random: freshRandom() })).toThrow(
      DataError,
    );
    expect(() => pairedSeedBootstrap(ones, [[1]], [[1]], { random: freshRandom() })).toThrow(
      /as many predictions of the first method as labels \(200\), received 1/,
    );
    expect(() => pairedSeedBootstrap(ones, [], [], { random: freshRandom() })).toThrow(
      /at least one of the first method/,
    );
    const own = answers(1, 1, 'a');
    expect(() => pairedSeedBootstrap(ones, own, own, { random: freshRandom(), resamples: 9 })).toThrow(
      'pairedSeedBootstrap expected at least 100 resamples, received 9',
    );
  });
});

describe('pairedGainBootstrap', () => {
  it('equals pairedSeedBootstrap on gains of 1, 0 and −1', () => {
    const [good, bad] = [answers(0.8, 3, 'good'), answers(0.7, 3, 'bad')];
    const gains = good.map((own, seed) => own.map((answer, post) => answer - (bad[seed]?.[post] as number)));
    const options = { resamples: 500 };
    expect(pairedGainBootstrap(gains, { random: freshRandom(), ...options })).toEqual(
      pairedSeedBootstrap(ones, good, bad, { random: freshRandom(), ...options }),
    );
  });

  it('is narrower for means of several tests of a post than for one of them', () => {
    const tests = ['a', 'b', 'c', 'd'].map((name) => answers(0.7, 4, name));
    const gain = (seed: number, post: number, count: number): number =>
      tests.slice(0, count).reduce((sum, runs) => sum + (runs[seed]?.[post] as number) - 0.6, 0) / count;
    const width = (count: number): number => {
      const gains = Array.from({ length: 4 }, (_, seed) => ones.map((_label, post) => gain(seed, post, count)));
      const { interval } = pairedGainBootstrap(gains, { random: freshRandom(), resamples: 1000 });
      return interval.high - interval.low;
    };
    expect(width(4)).toBeLessThan(0.7 * width(1));
  });

  it('refuses seeds of other posts, and what is no number', () => {
    expect(() => pairedGainBootstrap([[1, 0], [1]], { random: freshRandom() })).toThrow(DataError);
    expect(() => pairedGainBootstrap([], { random: freshRandom() })).toThrow(/at least one of the gains/);
    expect(() => pairedGainBootstrap([[0, NaN]], { random: freshRandom() })).toThrow(NonFiniteError);
  });
});
