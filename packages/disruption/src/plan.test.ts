import { createRandom } from '@drf/tensor';
import { describe, expect, it } from 'vitest';
import { fixedStrategies, PAPER_RATIOS, randomStrategies, type Setting, SETTINGS, type Strategy } from './strategy.js';
import { decidesAlone, planDisruption, planDisruptions, presenceOf, type DisruptionEntry } from './plan.js';

const posts = Array.from({ length: 2000 }, (_, i) => ({ id: `post-${i}`, hasImage: true, hasText: true }));
const random = (ratio: number, setting: Setting): Strategy => ({ kind: 'modality-random', ratio, setting });
const alone = (strategy: Strategy): Strategy =>
  decidesAlone(strategy) ? strategy : ({ ...strategy, independent: true } as Strategy);
const byId = (entries: DisruptionEntry[]): Map<string, DisruptionEntry> => new Map(entries.map((e) => [e.id, e]));
const everyStrategy: Strategy[] = [...fixedStrategies(), ...randomStrategies()];
const shareOf = (count: number, total: number, share: number): void =>
  expect(Math.abs(count - total * share)).toBeLessThan(4.5 * Math.sqrt(total * 0.25));

const KNOWN_ENTRY: DisruptionEntry = {
  id: 'post-0',
  modality: 'text',
  operation: 'corrupt',
  fraction: 0.46978393960717074,
  seed: 'f3c2a7e385bfdf9d',
};

describe('planDisruption', () => {
  it('keeps its numbers from release to release', () => {
    expect(planDisruption(posts[0]!, alone(random(1, 'C')), 42)).toEqual(KNOWN_ENTRY);
    expect(planDisruption(posts[0]!, alone(random(1, 'C')), '42')).toEqual(KNOWN_ENTRY);
    expect(planDisruptions(posts.slice(0, 1), random(1, 'C'), 42)).toEqual([KNOWN_ENTRY]);
  });

  it('without exact shares is a pure function of seed, id and strategy: order and company do not matter', () => {
    for (const strategy of everyStrategy.map(alone)) {
      const planned = byId(planDisruptions(posts.slice(0, 100), strategy, 5));
      const shuffled = byId(planDisruptions(createRandom(9).shuffle(posts.slice(0, 100)), strategy, 5));
      for (const post of posts.slice(0, 100)) {
        const single = planDisruption(post, strategy, 5);
        expect(planned.get(post.id) ?? null).toEqual(single);
        expect(shuffled.get(post.id) ?? null).toEqual(single);
      }
    }
  });

  it('with exact shares depends on the set of posts, not on their order', () => {
    const some = posts.slice(0, 101);
    for (const strategy of everyStrategy) {
      const planned = planDisruptions(some, strategy, 5);
      const shuffled = planDisruptions(createRandom(9).shuffle(some), strategy, 5);
      expect(byId(shuffled)).toEqual(byId(planned));
      expect(planned.map(({ id }) => id)).toEqual(some.map(({ id }) => id).filter((id) => byId(planned).has(id)));
    }
    expect(planDisruptions([...some].reverse(), random(0.4, 'D'), 5)[0]?.id).not.toBe(
      planDisruptions(some, random(0.4, 'D'), 5)[0]?.id,
    );
  });

  it('holds dr and the halves of C+D to the post', () => {
    for (const count of [1, 2, 3, 10, 450, 1999]) {
      for (const ratio of [0, 0.1, ...PAPER_RATIOS]) {
        const entries = planDisruptions(posts.slice(0, count), random(ratio, 'C+D'), 3);
        const due = Math.round(ratio * count);
        expect(entries).toHaveLength(due);
        const corrupted = entries.filter(({ operation }) => operation === 'corrupt').length;
        expect(Math.abs(2 * corrupted - due)).toBeLessThanOrEqual(1);
      }
      const fixed = planDisruptions(
        posts.slice(0, count),
        { kind: 'modality-fixed', modality: 'image', setting: 'C+D' },
        3,
      );
      expect(fixed).toHaveLength(count);
      const corrupted = fixed.filter(({ operation }) => operation === 'corrupt').length;
      expect(Math.abs(2 * corrupted - count)).toBeLessThanOrEqual(1);
    }
  });

  it('counts shares over the posts that have both modalities', () => {
    const some = posts.slice(0, 30).map((post, i) => ({ ...post, hasText: i % 3 !== 0 }));
    expect(planDisruptions(some, random(0.4, 'C'), 3)).toHaveLength(8);
  });

  it('refuses to decide a single post where shares are exact', () => {
    expect(() => planDisruption(posts[0]!, random(0.4, 'C'), 1)).toThrow(
      /single post "post-0" by random:0.4:C expected a strategy without exact shares.*or write random:0.4:C:independent/,
    );
    expect(planDisruption(posts[0]!, { kind: 'modality-fixed', modality: 'text', setting: 'D' }, 1)?.operation).toBe(
      'discard',
    );
  });

  it('differs under another seed', () => {
    const seeds = (seed: number): (string | null)[] => planDisruptions(posts, random(1, 'C'), seed).map((e) => e.seed);
    const first = new Set(seeds(1));
    expect(first.size).toBe(posts.length);
    expect(seeds(2).some((seed) => first.has(seed))).toBe(false);
  });

  it('disrupts the named modality of every post under modality-fixed', () => {
    for (const strategy of fixedStrategies()) {
      const entries = planDisruptions(posts, strategy, 1);
      expect(entries).toHaveLength(posts.length);
      expect(new Set(entries.map((e) => e.modality))).toEqual(
        new Set(strategy.kind === 'modality-fixed' ? [strategy.modality] : []),
      );
    }
  });

  it('without exact shares disrupts a ratio of the posts on average, images and texts alike', () => {
    for (const ratio of PAPER_RATIOS) {
      const entries = planDisruptions(posts, alone(random(ratio, 'C')), 1);
      if (ratio === 1) expect(entries).toHaveLength(posts.length);
      else expect(Math.abs(entries.length - 2000 * ratio)).toBeLessThan(4 * Math.sqrt(2000 * ratio * (1 - ratio)));
      shareOf(entries.filter((e) => e.modality === 'image').length, entries.length, 0.5);
    }
    expect(planDisruptions(posts, random(0, 'C'), 1)).toEqual([]);
    expect(planDisruptions(posts, { kind: 'none' }, 1)).toEqual([]);
  });

  it('nests: what a smaller ratio disrupts, a larger one disrupts alike', () => {
    for (const setting of SETTINGS) {
      let smaller: DisruptionEntry[] = [];
      for (const ratio of PAPER_RATIOS) {
        const larger = byId(planDisruptions(posts, random(ratio, setting), 3));
        for (const entry of smaller) expect(larger.get(entry.id)).toEqual(entry);
        expect(larger.size).toBeGreaterThan(smaller.length);
        smaller = [...larger.values()];
      }
    }
  });

  it('gives the corrupted half of C+D what C gives, the discarded half what D gives, half and half', () => {
    for (const make of [
      (setting: Setting): Strategy => random(0.8, setting),
      (setting: Setting): Strategy => ({ kind: 'modality-fixed', modality: 'text', setting }),
    ]) {
      const [corrupted, discarded] = [
        byId(planDisruptions(posts, make('C'), 3)),
        byId(planDisruptions(posts, make('D'), 3)),
      ];
      const mixed = planDisruptions(posts, make('C+D'), 3);
      expect(mixed.map((e) => e.id)).toEqual([...corrupted.keys()]);
      for (const entry of mixed) {
        expect(entry).toEqual((entry.operation === 'corrupt' ? corrupted : discarded).get(entry.id));
      }
      shareOf(mixed.filter((e) => e.operation === 'corrupt').length, mixed.length, 0.5);
    }
  });

  it('gives a post the same fraction and pixels whether its image was named or drawn', () => {
    const fixed = byId(planDisruptions(posts, { kind: 'modality-fixed', modality: 'image', setting: 'C' }, 3));
    const drawn = planDisruptions(posts, random(1, 'C'), 3).filter((e) => e.modality === 'image');
    for (const entry of drawn) expect(fixed.get(entry.id)).toEqual(entry);
  });

  it('draws selection, modality and coin independently of each other', () => {
    const entries = planDisruptions(posts, random(0.4, 'C+D'), 11);
    for (const modality of ['image', 'text'] as const) {
      const ofModality = entries.filter((e) => e.modality === modality);
      shareOf(ofModality.filter((e) => e.operation === 'corrupt').length, ofModality.length, 0.5);
    }
  });

  it('draws fractions from U(0.4, 0.8)', () => {
    const fractions = planDisruptions(posts, random(1, 'C'), 1).map((e) => e.fraction as number);
    expect(Math.min(...fractions)).toBeGreaterThanOrEqual(0.4);
    expect(Math.max(...fractions)).toBeLessThan(0.8);
    const quarters = [0, 0, 0, 0];
    for (const fraction of fractions) quarters[Math.floor((fraction - 0.4) * 10)]! += 1;
    for (const count of quarters) expect(Math.abs(count - 500)).toBeLessThan(4.5 * Math.sqrt(2000 * 0.25 * 0.75));
    const mean = fractions.reduce((sum, fraction) => sum + fraction, 0) / fractions.length;
    expect(Math.abs(mean - 0.6)).toBeLessThan((4 * 0.4) / Math.sqrt(12 * 2000));
  });

  it('never disrupts a post that lacks a modality', () => {
    for (const strategy of everyStrategy) {
      for (const [hasImage, hasText] of [
        [true, false],
        [false, true],
        [false, false],
      ] as const) {
        const lacking = Array.from({ length: 30 }, (_, i) => ({ id: `${i}`, hasImage, hasText }));
        expect(planDisruptions(lacking, strategy, 1)).toEqual([]);
        for (const post of lacking) expect(planDisruption(post, alone(strategy), 1)).toBeNull();
      }
    }
  });

  it('refuses strategies and seeds out of range', () => {
    expect(() => planDisruptions([], random(2, 'C'), 1)).toThrow('expected a ratio from 0 to 1, received "2"');
    expect(() => planDisruptions(posts, random(1, 'C'), Number.NaN)).toThrow(
      'The disruption seed expected a finite number or a text, received NaN',
    );
  });
});

describe('presenceOf', () => {
  it('counts a text without words as absent', () => {
    const image = { width: 1, height: 1, data: new Uint8Array(3) };
    const presence = (text: string | null): boolean => presenceOf({ id: 'a', image, text, label: 0 }).hasText;
    expect([null, '', ' \n', 'word'].map(presence)).toEqual([false, false, false, true]);
    expect(presenceOf({ id: 'a', image: null, text: 'b', label: 0 })).toEqual({
      id: 'a',
      hasImage: false,
      hasText: true,
    });
  });
});
