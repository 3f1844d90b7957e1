import { ConfigurationError, refuser } from './errors.js';

/** Enough to go on with a stream where it stood. */
export interface RandomState {
  readonly key: readonly [number, number];
  readonly position: number;
}

/**
 * A seeded stream of random numbers. Streams fork by name: `random.fork('disruption').fork(post.id)` depends on the
 * seed and the names only, never on how many numbers were drawn before.
 */
export interface Random {
  /** An independent stream for a purpose. */
  fork(name: string | number): Random;
  /** Uniform over the integers 0 … 2³² − 1. */
  uint32(): number;
  /** Uniform over [low, high), with 53 random bits. */
  uniform(low?: number, high?: number): number;
  /** Uniform over the integers 0 … bound − 1, without bias. @throws ConfigurationError unless 1 ≤ bound ≤ 2³². */
  integer(bound: number): number;
  /** Normally distributed with mean 0 and standard deviation 1 (Box-Muller). */
  normal(): number;
  /** A shuffled copy (Fisher-Yates). */
  shuffle<T>(items: readonly T[]): T[];
  /** Where the stream stands, for {@link restoreRandom}. */
  state(): RandomState;
}

type Words = readonly [number, number, number, number];

const MULTIPLIER_0 = 0xd2511f53;
const MULTIPLIER_1 = 0xcd9e8d57;
const WEYL_0 = 0x9e3779b9;
const WEYL_1 = 0xbb67ae85;

function multiplyHigh(a: number, b: number): number {
  const aLow = a & 0xffff;
  const aHigh = a >>> 16;
  const bLow = b & 0xffff;
  const bHigh = b >>> 16;
  const middle = aHigh * bLow + ((aLow * bLow) >>> 16);
  const cross = aLow * bHigh + (middle & 0xffff);
  return (aHigh * bHigh + Math.floor(middle / 0x10000) + Math.floor(cross / 0x10000)) >>> 0;
}

/**
 * Philox-4x32-10, a counter-based generator: a keyed bijection of 128-bit counters.
 * Source: Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3" (SC 2011).
 */
export function philox(counter: Words, key: readonly [number, number]): Words {
  let [c0, c1, c2, c3] = counter;
  let [k0, k1] = key;
  for (let round = 0; round < 10; round++) {
    const high0 = multiplyHigh(MULTIPLIER_0, c0);
    const low0 = Math.imul(MULTIPLIER_0, c0) >>> 0;
    const high1 = multiplyHigh(MULTIPLIER_1, c2);
    const low1 = Math.imul(MULTIPLIER_1, c2) >>> 0;
    [c0, c1, c2, c3] = [(high1 ^ c1 ^ k0) >>> 0, low1, (high0 ^ c3 ^ k1) >>> 0, low0];
    k0 = (k0 + WEYL_0) >>> 0;
    k1 = (k1 + WEYL_1) >>> 0;
  }
  return [c0, c1, c2, c3];
}

/** A child's key: the name's bytes, in blocks of 16, absorbed as Philox counters under the parent's key. */
function deriveKey(parent: readonly [number, number], name: string): readonly [number, number] {
  const bytes = new TextEncoder().encode(name);
  const padded = new Uint8Array(Math.ceil((bytes.length + 1) / 16) * 16);
  padded.set(bytes);
  padded[bytes.length] = 0x80; // marks the end, so that "a" and "a\0" differ
  const view = new DataView(padded.buffer);
  let key = parent;
  for (let offset = 0; offset < padded.length; offset += 16) {
    const block: Words = [
      view.getUint32(offset, true),
      view.getUint32(offset + 4, true),
      view.getUint32(offset + 8, true),
      view.getUint32(offset + 12, true),
    ];
    const mixed = philox(block, [key[0] ^ 0x64726600, key[1]]);
    key = [(mixed[0] ^ mixed[2]) >>> 0, (mixed[1] ^ mixed[3]) >>> 0];
  }
  return key;
}

class PhiloxRandom implements Random {
  private block: Words = [0, 0, 0, 0];
  private blockIndex = -1;

  constructor(
    private readonly key: readonly [number, number],
    private position: number,
  ) {}

  fork(name: string | number): Random {
    return new PhiloxRandom(deriveKey(this.key, String(name)), 0);
  }

  uint32(): number {
    const index = Math.floor(this.position / 4);
    if (index !== this.blockIndex) {
      this.block = philox([index >>> 0, Math.floor(index / 0x100000000) >>> 0, 0, 0], this.key);
      this.blockIndex = index;
    }
    return this.block[this.position++ % 4] as number;
  }

  uniform(low = 0, high = 1): number {
    const high27 = this.uint32() >>> 5;
    const low26 = this.uint32() >>> 6;
    return low + (high - low) * ((high27 * 0x4000000 + low26) / 0x20000000000000);
  }

  integer(bound: number): number {
    if (!Number.isInteger(bound) || bound < 1 || bound > 0x100000000) {
      throw refuser(ConfigurationError, 'Random.integer')('a whole bound from 1 to 2^32', String(bound));
    }
    const limit = 0x100000000 - (0x100000000 % bound); // reject the uneven rest
    let value = this.uint32();
    while (value >= limit) value = this.uint32();
    return value % bound;
  }

  normal(): number {
    const radius = Math.sqrt(-2 * Math.log(1 - this.uniform()));
    return radius * Math.cos(2 * Math.PI * this.uniform());
  }

  shuffle<T>(items: readonly T[]): T[] {
    const result = [...items];
    for (let i = result.length - 1; i > 0; i--) {
      const j = this.integer(i + 1);
      [result[i], result[j]] = [result[j] as T, result[i] as T];
    }
    return result;
  }

  state(): RandomState {
    return { key: this.key, position: this.position };
  }
}

/** The root stream of a seed; everything random in a run forks from it. */
export function createRandom(seed: number | string): Random {
  return new PhiloxRandom(deriveKey([0, 0], `seed:${seed}`), 0);
}

/** A stream that goes on where {@link Random.state} was taken. */
export function restoreRandom(state: RandomState): Random {
  return new PhiloxRandom(state.key, state.position);
}
