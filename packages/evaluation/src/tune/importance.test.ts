import { createRandom } from '@drf/tensor';
import { describe, expect, it } from 'vitest';
import { importanceOf, luckOfBest, type ScoredValues } from './importance.js';
import { parseSearch, sampleValues, type OptionValues } from './space.js';

const space = ['training.learning-rate=1e-5..1e-1:log', 'model.dim=64,128,256', 'training.weight-decay=0..1'].map(parseSearch); // prettier-ignore

function trialsOf(count: number, scoreOf: (values: OptionValues, noise: number) => number): ScoredValues[] {
  const random = createRandom(3);
  return Array.from({ length: count }, (_, i) => {
    const values = sampleValues(space, i, 0);
    return { values, score: scoreOf(values, random.normal()) };
  });
}

describe('what mattered', () => {
  it('is the option that decides, also where the best lies in the middle', () => {
    const middle = trialsOf(40, (values, noise) => {
      const rate = Math.log10(values['training.learning-rate'] as number);
      return 0.6 - 0.1 * (rate + 3) ** 2 + 0.01 * noise;
    });
    const [first, ...others] = importanceOf(space, middle);
    expect(first).toMatchObject({ name: 'training.learning-rate', pValue: 0.001 });
    expect(first?.share).toBeGreaterThan(0.6);
    expect(Math.abs(first?.correlation ?? 1)).toBeLessThan(0.3); // no order would have shown it
    expect(first?.interval.low).toBeGreaterThan(0.4);
    for (const other of others) expect(other.share).toBeLessThan(0.2);
  });

  it('counts choices by their values, with their means', () => {
    const trials = trialsOf(30, (values) => (values['model.dim'] === 128 ? 0.8 : 0.5));
    const [first] = importanceOf(space, trials);
    expect(first).toMatchObject({ name: 'model.dim', share: 1 });
    expect(first?.groups).toEqual([
      { values: '64', trials: 10, mean: 0.5 },
      { values: '128', trials: 10, mean: expect.closeTo(0.8, 12) as number },
      { values: '256', trials: 10, mean: 0.5 },
    ]);
  });

  it('is nothing among noise, most of the time', () => {
    const shares = importanceOf(
      space,
      trialsOf(40, (_, noise) => noise),
    );
    expect(shares.filter(({ pValue }) => pValue < 0.01)).toEqual([]);
    expect(importanceOf(space, trialsOf(12, () => 0.5)).every(({ share, pValue }) => share === 0 && pValue === 1)).toBe(true); // prettier-ignore
  });

  it('agrees with ε² by hand: groups 1, 2, 3 and 3, 4, 5', () => {
    const dims = [64, 64, 64, 128, 128, 128];
    const trials = [1, 2, 3, 3, 4, 5].map((value, i) => ({ values: { 'model.dim': dims[i] }, score: value }));
    const [only] = importanceOf([parseSearch('model.dim=64,128')], trials);
    // within 4 of 10 over 4 and 5 degrees of freedom: 1 − (4 / 4) / (10 / 5)
    expect(only?.share).toBeCloseTo(0.5, 12);
    expect(only?.correlation).toBeCloseTo(12 / Math.sqrt(13.5 * 17), 12); // ranks 0, 1, 2.5, 2.5, 4, 5 and 1, 1, 1, 4, 4, 4
  });

  it('is the same twice', () => {
    const trials = trialsOf(12, (_, noise) => noise);
    expect(importanceOf(space, trials, 5)).toEqual(importanceOf(space, trials, 5));
  });
});

it('the luck of the best of several normal numbers is as tables have it', () => {
  expect(luckOfBest(1)).toBeLessThan(0.05);
  expect(luckOfBest(2)).toBeCloseTo(0.564, 1);
  expect(luckOfBest(10)).toBeCloseTo(1.539, 1);
  expect(luckOfBest(100)).toBeCloseTo(2.508, 1);
});
