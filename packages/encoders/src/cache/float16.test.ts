import { describe, expect, it } from 'vitest';
import { createRandom } from '@drf/tensor';
import { decodeFloat16, encodeFloat16, float16Table, toFloat16Bits } from './float16.js';

describe('half precision', () => {
  it.each([
    [0, 0x0000],
    [-0, 0x8000],
    [1, 0x3c00],
    [-2, 0xc000],
    [65504, 0x7bff],
    [65519.99, 0x7bff],
    [65520, 0x7c00],
    [Infinity, 0x7c00],
    [2 ** -14, 0x0400],
    [2 ** -24, 0x0001],
    [2 ** -25, 0x0000], // a tie, to even
    [1.5 * 2 ** -24, 0x0002], // a tie, to even
    [2 ** -26, 0x0000],
    [1 + 2 ** -11, 0x3c00], // a tie, to even
    [1 + 3 * 2 ** -11, 0x3c02], // a tie, to even
    [1 / 3, 0x3555],
  ])('%d has bits %d', (value, bits) => {
    expect(toFloat16Bits(value)).toBe(bits);
  });

  it('gives every number back', () => {
    const table = float16Table();
    const wrong = [...table.keys()].filter((bits) => {
      const value = table[bits] as number;
      return !Number.isNaN(value) && toFloat16Bits(value) !== bits;
    });
    expect(wrong).toEqual([]);
    expect(toFloat16Bits(NaN)).toBe(0x7e00);
  });

  it('is off by at most half a unit in the eleventh place, and by nothing the second time', () => {
    const random = createRandom(1);
    const values = Float32Array.from({ length: 2000 }, () => 10 ** random.uniform(-3, 3) * random.normal());
    const once = decodeFloat16(encodeFloat16(values));
    once.forEach((value, i) => {
      const exact = values[i] as number;
      expect(Math.abs(value - exact)).toBeLessThanOrEqual(Math.max(Math.abs(exact) * 2 ** -11, 2 ** -25));
    });
    expect(decodeFloat16(encodeFloat16(once))).toEqual(once);
  });
});
