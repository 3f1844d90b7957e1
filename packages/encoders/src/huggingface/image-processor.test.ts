import { describe, expect, it } from 'vitest';
import { ConfigurationError, type RgbImage } from '@drf/tensor';
import { createImageProcessor, fitImage, parseImageProcessor } from './image-processor.js';
import { resizeAsPillow } from './pillow.js';

/** A pattern with hard edges: byte (7·x² + 13·y + 101·channel·x·y) mod 256. */
function pattern(width: number, height: number): RgbImage {
  const data = Uint8Array.from({ length: width * height * 3 }, (_, i) => {
    const [channel, x, y] = [i % 3, Math.floor(i / 3) % width, Math.floor(i / 3 / width)];
    return (7 * x * x + 13 * y + 101 * channel * x * y) % 256;
  });
  return { width, height, data };
}

function checksum({ data }: RgbImage): number {
  return data.reduce((sum, byte, i) => (sum + byte * ((i % 251) + 1)) % 1_000_003, 0);
}

describe('resizeAsPillow', () => {
  // Pillow 13: the sum of each byte times (its place mod 251) + 1, mod 1000003
  it.each([
    [40, 30, 16, 12, 0, 248129],
    [40, 30, 16, 12, 1, 383807],
    [40, 30, 16, 12, 2, 396930],
    [40, 30, 16, 12, 3, 385965],
    [40, 30, 16, 12, 4, 413068],
    [40, 30, 16, 12, 5, 385145],
    [12, 10, 25, 31, 0, 84512],
    [12, 10, 25, 31, 1, 79649],
    [12, 10, 25, 31, 2, 105150],
    [12, 10, 25, 31, 3, 88625],
    [12, 10, 25, 31, 4, 84512],
    [12, 10, 25, 31, 5, 145265],
    [20, 64, 16, 16, 0, 279680],
    [20, 64, 16, 16, 1, 202038],
    [20, 64, 16, 16, 2, 235002],
    [20, 64, 16, 16, 3, 208493],
    [20, 64, 16, 16, 4, 204599],
    [20, 64, 16, 16, 5, 199413],
    [31, 17, 17, 31, 0, 150554],
    [31, 17, 17, 31, 1, 968958],
    [31, 17, 17, 31, 2, 968457],
    [31, 17, 17, 31, 3, 967113],
    [31, 17, 17, 31, 4, 203996],
    [31, 17, 17, 31, 5, 980533],
    [3, 2, 7, 5, 1, 458171],
    [3, 2, 7, 5, 2, 433140],
    [3, 2, 7, 5, 3, 448078],
    [1, 3, 4, 9, 1, 113538],
    [1, 3, 4, 9, 3, 111156],
    [2, 5, 1, 2, 5, 1552],
    [3, 70, 2, 9, 3, 186413],
    [70, 3, 9, 3, 1, 441908],
    [500, 333, 149, 112, 3, 306407],
  ])(
    'has the bytes of Pillow, %i × %i to %i × %i, filter %i',
    (width, height, toWidth, toHeight, resample, expected) => {
      expect(checksum(resizeAsPillow(pattern(width, height), toWidth, toHeight, resample))).toBe(expected);
    },
  );

  it('keeps a plain image plain, whatever the filter, and an image of that size as it is', () => {
    const plain = { width: 9, height: 5, data: new Uint8Array(135).fill(201) };
    for (const resample of [0, 1, 2, 3, 4, 5]) {
      for (const [width, height] of [
        [3, 4],
        [20, 30],
      ] as const) {
        expect(resizeAsPillow(plain, width, height, resample).data.every((byte) => byte === 201)).toBe(true);
      }
    }
    expect(resizeAsPillow(plain, 9, 5, 2)).toBe(plain);
  });

  it.each([0, 1, 2, 3, 4, 5])('computes a region as it is in the whole image, by filter %i', (resample) => {
    for (const [width, height, toWidth, toHeight] of [
      [40, 23, 13, 9],
      [12, 50, 12, 17],
      [31, 9, 11, 9],
      [9, 70, 20, 8],
    ] as const) {
      const image = pattern(width, height);
      const whole = resizeAsPillow(image, toWidth, toHeight, resample);
      const region = { columns: { start: 2, end: toWidth - 3 }, rows: { start: 1, end: toHeight - 2 } };
      const part = resizeAsPillow(image, toWidth, toHeight, resample, region);
      expect([part.width, part.height]).toEqual([toWidth - 5, toHeight - 3]);
      for (let row = 0; row < part.height; row++) {
        const from = ((row + 1) * toWidth + 2) * 3;
        const rowOf = (data: Uint8Array, start: number): number[] => [...data.subarray(start, start + part.width * 3)];
        expect(rowOf(part.data, row * part.width * 3)).toEqual(rowOf(whole.data, from));
      }
    }
  });
});

describe('createImageProcessor', () => {
  const vit = { image_processor_type: 'ViTImageProcessor', size: { height: 4, width: 6 } };

  it('resizes, rescales and normalizes', () => {
    const process = createImageProcessor(parseImageProcessor(vit, 'file'));
    const pixels = new Float32Array(72);
    process({ width: 2, height: 2, data: new Uint8Array(12).fill(255) }, pixels);
    expect(pixels.every((value) => value === 1)).toBe(true);
    const raw = parseImageProcessor({ ...vit, do_rescale: false, do_normalize: false, do_resize: false }, 'file');
    const pixel = new Float32Array(3);
    createImageProcessor(raw)({ width: 1, height: 1, data: Uint8Array.of(1, 2, 3) }, pixel);
    expect([...pixel]).toEqual([1, 2, 3]);
  });

  it('scales the shorter edge and crops the middle; a small image gets a black border', () => {
    const clip = parseImageProcessor(
      { image_processor_type: 'CLIPImageProcessor', size: { shortest_edge: 4 }, crop_size: 4, resample: 0 },
      'file',
    );
    const image = pattern(8, 4);
    const cropped = fitImage(clip, image);
    expect([cropped.width, cropped.height]).toEqual([4, 4]);
    expect([...cropped.data.subarray(0, 12)]).toEqual([...image.data.subarray(6, 18)]);
    const crop = parseImageProcessor(
      { image_processor_type: 'DeiTImageProcessor', do_resize: false, crop_size: 3 },
      'file',
    );
    const bordered = fitImage(crop, { width: 1, height: 1, data: Uint8Array.of(9, 9, 9) });
    expect([...bordered.data].map((byte, i) => (byte === 9 ? i : -1)).filter((i) => i >= 0)).toEqual([12, 13, 14]);
  });

  it.each<[object, string]>([
    [
      { image_processor_type: 'SamImageProcessor' },
      'expected "image_processor_type": ViTImageProcessor, DeiTImageProcessor',
    ],
    [{}, '"image_processor_type"'],
    [{ ...vit, size: { height: 0, width: 4 } }, 'expected "size": sides from 1 to 4096 pixels'],
    [{ ...vit, resample: 9 }, `expected "resample": the number of one of Pillow's filters, 0 to 5, received 9`],
    [{ ...vit, image_std: [0, 1, 1] }, 'expected "image_std": three numbers, one a color, received [0,1,1]'],
    [{ ...vit, do_resize: 'yes' }, 'expected "do_resize": true or false, received "yes"'],
  ])('refuses %o', (file, message) => {
    const attempt = () => parseImageProcessor(file, 'some preprocessor_config.json');
    expect(attempt).toThrow(ConfigurationError);
    expect(attempt).toThrow(message);
  });
});
