import { createRandom } from '@drf/tensor';
import { describe, expect, it } from 'vitest';
import { drawSplitMixSeed, fillUint32 } from './split-mix.js';

/** The definition, in 64-bit whole numbers. */
function reference(seed: string, count: number): number[] {
  const bits = (1n << 64n) - 1n;
  let state = BigInt(`0x${seed}`);
  const result: number[] = [];
  while (result.length < count) {
    state = (state + 0x9e3779b97f4a7c15n) & bits;
    let z = state;
    z = ((z ^ (z >> 30n)) * 0xbf58476d1ce4e5b9n) & bits;
    z = ((z ^ (z >> 27n)) * 0x94d049bb133111ebn) & bits;
    z ^= z >> 31n;
    result.push(Number(z & 0xffffffffn), Number(z >> 32n));
  }
  return result.slice(0, count);
}

describe('SplitMix64', () => {
  it('gives the published outputs for seed 1234567', () => {
    const halves = fillUint32((1234567).toString(16).padStart(16, '0'), new Uint32Array(10));
    const outputs = [0, 2, 4, 6, 8].map((i) => (BigInt(halves[i + 1] as number) << 32n) | BigInt(halves[i] as number));
    expect(outputs).toEqual([
      6457827717110365317n,
      3203168211198807973n,
      9817491932198370423n,
      4593380528125082431n,
      16408922859458223821n,
    ]);
  });

  it('agrees with 64-bit arithmetic at edge seeds and seeded ones, at even and odd lengths', () => {
    const random = createRandom('split-mix');
    const seeds = ['0000000000000000', 'ffffffffffffffff', '80000000ffffffff', '61c8864680b583eb'];
    for (let i = 0; i < 50; i++) seeds.push(drawSplitMixSeed(random));
    for (const seed of seeds) {
      for (const length of [0, 1, 2, 257]) {
        expect([...fillUint32(seed, new Uint32Array(length))]).toEqual(reference(seed, length));
      }
    }
  });

  it('draws 16 digits, also when a half begins with zeros', () => {
    const random = createRandom('seeds');
    const seeds = Array.from({ length: 2000 }, () => drawSplitMixSeed(random));
    expect(seeds.every((seed) => /^[0-9a-f]{16}$/.test(seed))).toBe(true);
    expect(seeds.some((seed) => seed.startsWith('00'))).toBe(true);
    expect(new Set(seeds).size).toBe(2000);
  });

  it('refuses another form of seed', () => {
    expect(() => fillUint32('12', new Uint32Array(1))).toThrow(
      'A corruption seed expected 16 lower-case hexadecimal digits, received "12"',
    );
  });
});
