import { ConfigurationError, refuser, type Random } from '@drf/tensor';

/** 64 bits as 16 hexadecimal digits, the most significant first. */
export type SplitMixSeed = string;

const SEED_FORM = /^[0-9a-f]{16}$/;

export function isSplitMixSeed(value: unknown): value is SplitMixSeed {
  return typeof value === 'string' && SEED_FORM.test(value);
}

/** Draws a seed: two 32-bit numbers of the stream, the upper half first. */
export function drawSplitMixSeed(random: Random): SplitMixSeed {
  const digits = (word: number): string => word.toString(16).padStart(8, '0');
  const high = digits(random.uint32());
  return high + digits(random.uint32());
}

/** Upper 32 bits of the product of two unsigned 32-bit numbers, from the four products of their 16-bit halves. */
function multiplyHigh(a: number, b: number): number {
  const aLow = a & 0xffff;
  const aHigh = a >>> 16;
  const bLow = b & 0xffff;
  const bHigh = b >>> 16;
  const middle = (Math.imul(aHigh, bLow) + (Math.imul(aLow, bLow) >>> 16)) | 0; // below 2³² as unsigned
  const cross = (Math.imul(aLow, bHigh) + (middle & 0xffff)) | 0; // so is this
  return (Math.imul(aHigh, bHigh) + (middle >>> 16) + (cross >>> 16)) | 0;
}

/**
 * SplitMix64: the inner generator of a corruption. Philox, which plans the disruptions, costs about 4 ms for an image
 * of 224 × 224; this one costs a small part of it, and numpy's uint64 arithmetic repeats it a whole array at a time.
 *
 * Output i (from 0) = mix(seed + (i + 1)·γ) modulo 2⁶⁴, γ = 9e3779b97f4a7c15₁₆, where mix is
 * z ← (z ⊕ z≫30)·bf58476d1ce4e5b9₁₆; z ← (z ⊕ z≫27)·94d049bb133111eb₁₆; z ⊕ z≫31.
 * Source: Steele, Lea, Flood, "Fast splittable pseudorandom number generators" (OOPSLA 2014), variant 13 of the mixer.
 *
 * `fillUint32` writes each output as two 32-bit numbers, the lower half first.
 * @throws ConfigurationError unless the seed is 16 hexadecimal digits.
 */
export function fillUint32(seed: SplitMixSeed, target: Uint32Array): Uint32Array {
  if (!isSplitMixSeed(seed)) {
    throw refuser(ConfigurationError, 'A corruption seed')('16 lower-case hexadecimal digits', JSON.stringify(seed));
  }
  let stateHigh = Number.parseInt(seed.slice(0, 8), 16) | 0;
  let stateLow = Number.parseInt(seed.slice(8), 16) | 0;
  for (let i = 0; i < target.length; i += 2) {
    stateLow = (stateLow + 0x7f4a7c15) | 0;
    const carry = stateLow >>> 0 < 0x7f4a7c15 ? 1 : 0;
    stateHigh = (stateHigh + 0x9e3779b9 + carry) | 0;

    let low = stateLow ^ ((stateLow >>> 30) | (stateHigh << 2)); // z ⊕ z≫30
    let high = stateHigh ^ (stateHigh >>> 30);
    high = (multiplyHigh(low, 0x1ce4e5b9) + Math.imul(high, 0x1ce4e5b9) + Math.imul(low, 0xbf58476d)) | 0;
    low = Math.imul(low, 0x1ce4e5b9);
    low ^= (low >>> 27) | (high << 5); // z ⊕ z≫27
    high ^= high >>> 27;
    high = (multiplyHigh(low, 0x133111eb) + Math.imul(high, 0x133111eb) + Math.imul(low, 0x94d049bb)) | 0;
    low = Math.imul(low, 0x133111eb);

    target[i] = low ^ ((low >>> 31) | (high << 1)); // z ⊕ z≫31
    if (i + 1 < target.length) target[i + 1] = high ^ (high >>> 31);
  }
  return target;
}
