import { createRandom, DataError, NonFiniteError } from '@drf/tensor';
import { describe, expect, it } from 'vitest';
import { pairedGainBootstrap, pairedSeedBootstrap } from './bootstrap.js';

const random = () => createRandom(5);
const labels = Array.from({ length: 200 }, () => 1);
/** Right on a share of the posts, drawn anew for each seed. */
function answers(share: number, seeds: number, name: string): number[][] {
  return Array.from({ length: seeds }, (_, seed) => {
    const own = createRandom(seed).fork(name);
    return labels.map(() => (own.uniform() < share ? 1 : 0));
  });
}

describe('pairedSeedBootstrap', () => {
  it('finds a difference that is there, with the same seed the same interval', () => {
    const [good, bad] = [answers(0.8, 5, 'good'), answers(0.6, 5, 'bad')];
    const result = pairedSeedBootstrap(labels, good, bad, { random: random(), resamples: 2000 });
    const accuracy = (runs: number[][]): number => runs.flat().filter((answer) => answer === 1).length / 1000;
    expect(result.difference).toBeCloseTo(accuracy(good) - accuracy(bad), 12);
    expect(result.interval.low).toBeGreaterThan(0.1);
    expect(result.interval.high).toBeLessThan(0.3);
    expect(result.pValue).toBeCloseTo(2 / 2001, 12);
    expect(pairedSeedBootstrap(labels, good, bad, { random: random(), resamples: 2000 })).toEqual(result);
    const turned = pairedSeedBootstrap(labels, bad, good, { random: random(), resamples: 2000 });
    expect(turned.interval.high).toBeCloseTo(-result.interval.low, 12);
    expect(turned.pValue).toBe(result.pValue);
  });

  it('finds none between a method and itself', () => {
    const own = answers(0.7, 3, 'own');
    const result = pairedSeedBootstrap(labels, own, own, { random: random(), resamples: 500 });
    expect(result).toMatchObject({ difference: 0, interval: { low: 0, high: 0 }, pValue: 1 });
  });

  it('is wider than over posts alone where seeds disagree about which method is better', () => {
    const always = labels.map(() => 1);
    const never = labels.map(() => 0);
    const result = pairedSeedBootstrap(labels, [always, never, always, never], [never, always, never, always], {
      random: random(),
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
      const runs = (): number[][] => Array.from({ length: 5 }, () => labels.map(() => (draw.uniform() < 0.7 ? 1 : 0)));
      const { interval } = pairedSeedBootstrap(labels, runs(), runs(), { random: random(), resamples: 200 });
      if (interval.low <= 0 && interval.high >= 0) covered++;
    }
    expect(covered).toBeGreaterThanOrEqual(90);
  });

  it('refuses lists that do not pair', () => {
    expect(() => pairedSeedBootstrap(labels, answers(1, 2, 'a'), answers(1, 3, 'a'), { random: random() })).toThrow(
      DataError,
    );
    expect(() => pairedSeedBootstrap(labels, [[1]], [[1]], { random: random() })).toThrow(
      /as many predictions of the first method as labels \(200\), received 1/,
    );
    expect(() => pairedSeedBootstrap(labels, [], [], { random: random() })).toThrow(/at least one of the first method/);
    const own = answers(1, 1, 'a');
    expect(() => pairedSeedBootstrap(labels, own, own, { random: random(), resamples: 9 })).toThrow(
      'pairedSeedBootstrap expected at least 100 resamples, received 9',
    );
  });
});

describe('pairedGainBootstrap', () => {
  it('equals pairedSeedBootstrap on gains of 1, 0 and −1', () => {
    const [good, bad] = [answers(0.8, 3, 'good'), answers(0.7, 3, 'bad')];
    const gains = good.map((own, seed) => own.map((answer, post) => answer - (bad[seed]?.[post] as number)));
    const options = { resamples: 500 };
    expect(pairedGainBootstrap(gains, { random: random(), ...options })).toEqual(
      pairedSeedBootstrap(labels, good, bad, { random: random(), ...options }),
    );
  });

  it('is narrower for means of several tests of a post than for one of them', () => {
    const tests = ['a', 'b', 'c', 'd'].map((name) => answers(0.7, 4, name));
    const gain = (seed: number, post: number, count: number): number =>
      tests.slice(0, count).reduce((sum, runs) => sum + (runs[seed]?.[post] as number) - 0.6, 0) / count;
    const width = (count: number): number => {
      const gains = Array.from({ length: 4 }, (_, seed) => labels.map((_label, post) => gain(seed, post, count)));
      const { interval } = pairedGainBootstrap(gains, { random: random(), resamples: 1000 });
      return interval.high - interval.low;
    };
    expect(width(4)).toBeLessThan(0.7 * width(1));
  });

  it('refuses seeds of other posts, and what is no number', () => {
    expect(() => pairedGainBootstrap([[1, 0], [1]], { random: random() })).toThrow(DataError);
    expect(() => pairedGainBootstrap([], { random: random() })).toThrow(/at least one of the gains/);
    expect(() => pairedGainBootstrap([[0, NaN]], { random: random() })).toThrow(NonFiniteError);
  });
});
