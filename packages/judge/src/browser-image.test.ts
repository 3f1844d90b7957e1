import { createRandom, type RgbImage } from '@drf/tensor';
import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import { LANCZOS, LINEAR, resample } from './browser-image.js';

/** Smooth colors, an edge, and a little noise: what photographs are made of. */
function picture(width: number, height: number): RgbImage {
  const random = createRandom(`${width} × ${height}`);
  const data = new Uint8Array(width * height * 3);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      for (let channel = 0; channel < 3; channel++) {
        const wave = 110 + 70 * Math.sin((x / width) * 9 + channel) * Math.cos((y / height) * 7);
        const edge = x > 0.6 * width && y > 0.3 * height ? 60 : 0;
        data[(y * width + x) * 3 + channel] = wave + edge + random.uniform(-6, 6);
      }
    }
  }
  return { width, height, data };
}

/** Mean and largest difference of levels from what the service's decoder makes. */
async function differences(image: RgbImage, side: number, kernel: 'lanczos3' | 'linear') {
  const raw = { width: image.width, height: image.height, channels: 3 } as const;
  const expected = await sharp(image.data, { raw }).resize(side, side, { fit: 'fill', kernel }).raw().toBuffer();
  const { data } = resample(image, side, side, kernel === 'linear' ? LINEAR : LANCZOS);
  const each = Array.from(data, (level, i) => Math.abs(level - (expected[i] as number)));
  return { mean: each.reduce((a, b) => a + b, 0) / each.length, largest: each.reduce((a, b) => Math.max(a, b), 0) };
}

describe('resample', () => {
  it.each([
    [300, 200, 224, 'lanczos3'],
    [640, 480, 224, 'lanczos3'],
    [1600, 1200, 224, 'lanczos3'],
    [100, 80, 224, 'lanczos3'],
    [256, 256, 224, 'linear'],
    [32, 32, 224, 'linear'],
  ] as const)('scales %i × %i to %i nearly as the service does (%s)', async (width, height, side, kernel) => {
    const { mean, largest } = await differences(picture(width, height), side, kernel);
    expect(mean).toBeLessThan(MEAN_LEVELS);
    expect(largest).toBeLessThan(LARGEST_LEVELS);
  });

  it('leaves an image of that size as it is, and keeps one color', () => {
    const image = picture(20, 20);
    expect(resample(image, 20, 20, LANCZOS)).toBe(image);
    const gray = { width: 31, height: 7, data: new Uint8Array(31 * 7 * 3).fill(77) };
    for (const kernel of [LANCZOS, LINEAR]) {
      expect(resample(gray, 10, 40, kernel).data.every((level) => level === 77)).toBe(true);
    }
  });
});

/** Of 255: rounding, and the box that libvips shrinks by before it filters. */
const MEAN_LEVELS = 1;
const LARGEST_LEVELS = 12;
