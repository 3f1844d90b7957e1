import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ConfigurationError, createRandom, philox, restoreRandom, type Random } from './index.js';

const draw = (random: Random, count: number): number[] => Array.from({ length: count }, () => random.uint32());

describe('philox', () => {
  // The published known answers of philox4x32_10 (Random123, tests/kat_vectors).
  it.each([
    { counter: [0, 0, 0, 0], key: [0, 0], result: [0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8] },
    {
      counter: [0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff],
      key: [0xffffffff, 0xffffffff],
      result: [0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd],
    },
    {
      counter: [0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344],
      key: [0xa4093822, 0x299f31d0],
      result: [0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1],
    },
  ] as const)('gives the published answer for counter $counter', ({ counter, key, result }) => {
    expect(philox(counter, key)).toEqual(result);
  });

  it('agrees with the same cipher in exact integers', () => {
    const word = fc.integer({ min: 0, max: 0xffffffff });
    const slow = (counter: readonly number[], key: readonly number[]): number[] => {
      let [c0, c1, c2, c3] = counter.map(BigInt) as [bigint, bigint, bigint, bigint];
      let [k0, k1] = key.map(BigInt) as [bigint, bigint];
      const low = (value: bigint): bigint => value & 0xffffffffn;
      for (let round = 0; round < 10; round++) {
        const [product0, product1] = [0xd2511f53n * c0, 0xcd9e8d57n * c2];
        [c0, c1, c2, c3] = [(product1 >> 32n) ^ c1 ^ k0, low(product1), (product0 >> 32n) ^ c3 ^ k1, low(product0)];
        [k0, k1] = [low(k0 + 0x9e3779b9n), low(k1 + 0xbb67ae85n)];
      }
      return [c0, c1, c2, c3].map(Number);
    };
    fc.assert(
      fc.property(fc.tuple(word, word, word, word), fc.tuple(word, word), (counter, key) => {
        expect(philox(counter, key)).toEqual(slow(counter, key));
      }),
      { seed: 2, numRuns: 200 },
    );
  });
});

describe('streams', () => {
  it('repeat with the seed and differ between seeds', () => {
    expect(draw(createRandom(7), 20)).toEqual(draw(createRandom(7), 20));
    expect(draw(createRandom(7), 4)).not.toEqual(draw(createRandom(8), 4));
    expect(draw(createRandom(7), 4)).toEqual(draw(createRandom('7'), 4));
  });

  it('stay what they are from release to release', () => {
    expect(draw(createRandom(1), 3)).toEqual([3941211809, 1742971471, 2376436199]);
  });

  it('fork by name alone, whatever was drawn before or between', () => {
    const fresh = createRandom(3);
    const used = createRandom(3);
    draw(used, 17);
    used.fork('other').uniform();
    used.normal();
    expect(draw(used.fork('disruption').fork('post-1'), 8)).toEqual(draw(fresh.fork('disruption').fork('post-1'), 8));
  });

  it('are not moved by forking', () => {
    const random = createRandom(3);
    random.fork('a');
    expect(draw(random, 3)).toEqual(draw(createRandom(3), 3));
  });

  it('of different names, paths and lengths differ', () => {
    const root = createRandom(3);
    const names = ['', 'a', 'b', 'a\0', 'aa', '\u0080', 'é', 'e\u0301', '1', '01', 'x'.repeat(15), 'x'.repeat(16)];
    const long = ['x'.repeat(17), 'x'.repeat(31), 'x'.repeat(32), `${'x'.repeat(16)}y`, `y${'x'.repeat(16)}`];
    const streams = [
      root,
      ...[...names, ...long].map((name) => root.fork(name)),
      root.fork('a').fork('b'),
      root.fork('b').fork('a'),
      root.fork('ab'),
      root.fork('a').fork('a'),
    ];
    expect(new Set(streams.map((stream) => draw(stream, 4).join())).size).toBe(streams.length);
  });

  it('of 20,000 post ids do not meet', () => {
    const root = createRandom(0).fork('disruption');
    const firsts = Array.from({ length: 20_000 }, (_, id) => draw(root.fork(id), 2).join());
    expect(new Set(firsts).size).toBe(firsts.length);
  });

  it('of neighboring ids do not correlate', () => {
    const values = Array.from({ length: 10_000 }, (_, id) => createRandom(0).fork(id).uniform() - 0.5);
    const lagged = values.slice(1).reduce((sum, value, i) => sum + value * (values[i] as number), 0);
    expect(Math.abs(lagged / values.length / (1 / 12))).toBeLessThan(4 / Math.sqrt(values.length));
  });

  it('go on where their state was taken, in the middle of a block too', () => {
    for (let before = 0; before < 9; before++) {
      const random = createRandom(5).fork('batches');
      draw(random, before);
      const state = JSON.parse(JSON.stringify(random.state())) as ReturnType<Random['state']>;
      const restored = restoreRandom(state);
      const rest = draw(random, 9);
      expect(draw(restored, 9)).toEqual(rest);
      expect(draw(restoreRandom(state).fork('x'), 2)).toEqual(draw(random.fork('x'), 2));
    }
  });

  it('leave a taken state alone', () => {
    const random = createRandom(5);
    const state = random.state();
    draw(random, 3);
    expect(state.position).toBe(0);
    expect(random.state().position).toBe(3);
  });

  it('reach counters beyond 32 bits', () => {
    const { key } = createRandom(1).state();
    const block = 2 ** 32 + 3;
    expect(draw(restoreRandom({ key, position: 4 * block }), 4)).toEqual(philox([3, 1, 0, 0], key));
  });
});

/** Largest distance between the empirical distribution and the expected one. */
function kolmogorovSmirnov(values: readonly number[], cumulative: (value: number) => number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return Math.max(
    ...sorted.map((value, i) => {
      const expected = cumulative(value);
      return Math.max(Math.abs((i + 1) / sorted.length - expected), Math.abs(i / sorted.length - expected));
    }),
  );
}

/** Φ by integration of its density: slow and independent. */
function normalCumulative(value: number): number {
  const steps = 200;
  const width = value / steps;
  let area = 0;
  for (let i = 0; i < steps; i++) area += Math.exp(-(((i + 0.5) * width) ** 2) / 2) * width;
  return 0.5 + area / Math.sqrt(2 * Math.PI);
}

describe('distributions', () => {
  const count = 5000;
  const critical = 1.95 / Math.sqrt(count); // Kolmogorov-Smirnov at p = 0.001

  it('uniform fills [low, high) evenly', () => {
    const random = createRandom(11);
    const values = Array.from({ length: count }, () => random.uniform(-2, 6));
    expect(Math.min(...values)).toBeGreaterThanOrEqual(-2);
    expect(Math.max(...values)).toBeLessThan(6);
    expect(kolmogorovSmirnov(values, (value) => (value + 2) / 8)).toBeLessThan(critical);
  });

  it('uniform uses 53 bits', () => {
    const random = createRandom(12);
    const values = Array.from({ length: 100 }, () => random.uniform());
    expect(values.every((value) => Number.isInteger(value * 2 ** 53))).toBe(true);
    expect(values.some((value) => !Number.isInteger(value * 2 ** 50))).toBe(true);
  });

  it('normal has mean 0, standard deviation 1 and a normal shape', () => {
    const random = createRandom(13);
    const values = Array.from({ length: count }, () => random.normal());
    const mean = values.reduce((sum, value) => sum + value, 0) / count;
    const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / count;
    expect(Math.abs(mean)).toBeLessThan(4 / Math.sqrt(count));
    expect(Math.abs(variance - 1)).toBeLessThan(4 * Math.sqrt(2 / count));
    expect(values.every(Number.isFinite)).toBe(true);
    expect(kolmogorovSmirnov(values, normalCumulative)).toBeLessThan(critical);
  });

  it.each([1, 2, 3, 7, 10])('integer(%d) is even over its values', (bound) => {
    const random = createRandom(`integer ${bound}`);
    const counts = new Array<number>(bound).fill(0);
    for (let i = 0; i < count; i++) {
      const value = random.integer(bound);
      counts[value] = (counts[value] as number) + 1;
    }
    const expected = count / bound;
    const chiSquared = counts.reduce((sum, seen) => sum + (seen - expected) ** 2 / expected, 0);
    expect(counts.reduce((sum, seen) => sum + seen, 0)).toBe(count);
    expect(chiSquared).toBeLessThan(bound - 1 + 4 * Math.sqrt(2 * bound) + 4);
  });

  it('integer is unbiased where 2^32 is not a multiple of the bound', () => {
    // Without rejection, bound 3·2^30 would give the lower third twice as often as the others.
    const random = createRandom(14);
    const bound = 3 * 2 ** 30;
    const low = Array.from({ length: count }, () => random.integer(bound)).filter((value) => value < bound / 3).length;
    expect(Math.abs(low / count - 1 / 3)).toBeLessThan(0.03);
  });

  it('integer takes bounds from 1 to 2^32 and refuses others', () => {
    const random = createRandom(15);
    expect(random.integer(1)).toBe(0);
    expect(random.integer(2 ** 32)).toBeLessThan(2 ** 32);
    for (const bound of [0, -1, 1.5, 2 ** 32 + 1, NaN, Infinity]) {
      expect(() => random.integer(bound)).toThrow(ConfigurationError);
      expect(() => random.integer(bound)).toThrow(
        `Random.integer expected a whole bound from 1 to 2^32, received ${bound}`,
      );
    }
  });

  it('shuffle is a permutation that leaves its input alone', () => {
    fc.assert(
      fc.property(fc.array(fc.integer()), fc.integer(), (items, seed) => {
        const before = [...items];
        const shuffled = createRandom(seed).shuffle(items);
        expect(items).toEqual(before);
        const ascending = (a: number, b: number): number => a - b;
        expect([...shuffled].sort(ascending)).toEqual([...items].sort(ascending));
      }),
      { seed: 3 },
    );
  });

  it('shuffle gives every order alike', () => {
    const random = createRandom(16);
    const seen = new Map<string, number>();
    for (let i = 0; i < 6000; i++) {
      const order = random.shuffle(['a', 'b', 'c']).join('');
      seen.set(order, (seen.get(order) ?? 0) + 1);
    }
    expect(seen.size).toBe(6);
    const chiSquared = [...seen.values()].reduce((sum, times) => sum + (times - 1000) ** 2 / 1000, 0);
    expect(chiSquared).toBeLessThan(20.5); // p = 0.001 with 5 degrees of freedom
  });
});
