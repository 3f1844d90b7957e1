import { blackenPixels, maskWords } from '@drf/disruption';
import { createRandom, type RgbImage } from '@drf/tensor';
import { describe, expect, it } from 'vitest';
import sharp from 'sharp';
import { contentOf, EMPTY_POST, LANCZOS, LINEAR, type PostState, resample } from './content.js';

const image: RgbImage = { width: 20, height: 10, data: new Uint8Array(600).fill(200) };
const text = 'one two  three four five six seven eight nine ten';
const post: PostState = { ...EMPTY_POST, image, text };
const corrupted = (share: number, seed = 1) =>
  contentOf({ ...post, fraction: { image: share, text: share }, seed }, '<mask>');
const blackPixels = (share: number): number[] =>
  Array.from(corrupted(share).image?.data ?? []).flatMap((level, i) => (level === 0 && i % 3 === 0 ? [i / 3] : []));

describe('contentOf', () => {
  it('gives an intact post as it is', () => {
    expect(contentOf(post, '<mask>')).toEqual({ image, text });
  });

  it('blackens pixels and masks words, more of them in addition, others by another draw', () => {
    const [some, more] = [blackPixels(0.3), blackPixels(0.6)];
    expect(some.length).toBeGreaterThan(30);
    expect(more).toEqual(expect.arrayContaining(some));
    expect(corrupted(0.4).text?.split('<mask>')).toHaveLength(5);
    expect(corrupted(0.4)).toEqual(corrupted(0.4));
    expect(corrupted(0.4, 2)).not.toEqual(corrupted(0.4));
    const all = corrupted(1);
    expect(all.image).toEqual(blackenPixels(image, 1, '0'.repeat(16)));
    expect(all.text).toBe(maskWords(text, 1, '0'.repeat(16), '<mask>'));
  });

  it('has nothing of what is switched off, missing or blank', () => {
    expect(contentOf({ ...post, isOn: { image: false, text: true } }, '')).toEqual({ image: null, text });
    expect(contentOf({ ...post, text: ' \n' }, '')).toEqual({ image, text: null });
    expect(contentOf(EMPTY_POST, '')).toEqual({ image: null, text: null });
  });
});

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
