import { describe, expect, it } from 'vitest';
import type { RgbImage } from '@drf/tensor';
import { resizeImage, unitPixels } from './images.js';

function checkerboard(side: number): RgbImage {
  const data = Uint8Array.from({ length: side * side * 3 }, (_, i) => {
    const place = Math.floor(i / 3);
    return ((place % side) + Math.floor(place / side)) % 2 === 0 ? 255 : 0;
  });
  return { width: side, height: side, data };
}

describe('resizeImage', () => {
  it('returns an image of the right size as it is', async () => {
    const image = checkerboard(8);
    expect(await resizeImage(image, 8, 8)).toBe(image);
  });

  it('averages fine patterns when shrinking instead of aliasing', async () => {
    const { width, height, data } = await resizeImage(checkerboard(96), 12, 12);
    expect([width, height]).toEqual([12, 12]);
    for (const value of data) expect(Math.abs(value - 127.5)).toBeLessThan(12);
  });

  it('keeps plain colors and the order of channels when enlarging', async () => {
    const data = Uint8Array.from({ length: 5 * 3 * 3 }, (_, i) => [10, 200, 90][i % 3] as number);
    const large = await resizeImage({ width: 5, height: 3, data }, 17, 11, 'cubic');
    expect(large.data).toHaveLength(17 * 11 * 3);
    large.data.forEach((value, i) => expect(value).toBe([10, 200, 90][i % 3]));
  });
});

describe('unitPixels', () => {
  it('scales bytes to 0 … 1, image by image', async () => {
    const dark = { width: 1, height: 1, data: Uint8Array.of(0, 51, 255) };
    const white = { width: 1, height: 1, data: Uint8Array.of(255, 255, 255) };
    const pixels = await unitPixels([dark, white], 1);
    expect(pixels.shape).toEqual([2, 1, 1, 3]);
    expect([...pixels.data]).toEqual([0, Math.fround(0.2), 1, 1, 1, 1]);
  });
});
