import sharp, { type Sharp } from 'sharp';
import { DataError } from '@drf/tensor';
import { describe, expect, it } from 'vitest';
import { decodeImage, DEFAULT_IMAGE_DECODING, readImageHeader, type ImageDecoding } from './image-decoder.js';
import type { RowError } from './row-error.js';
import { noiseJpeg, pngBomb, solidImage } from './testing/images.js';

const at = (width: number, height: number, fit: ImageDecoding['fit'] = 'stretch'): ImageDecoding => ({
  ...DEFAULT_IMAGE_DECODING,
  width,
  height,
  fit,
});

describe('decodeImage', () => {
  it('gives red-green-blue pixels of the wanted size', async () => {
    const image = await decodeImage('Post 1', await solidImage('#ff8000', 9, 5).png().toBuffer(), at(4, 2));
    expect([image.width, image.height, image.data.length]).toEqual([4, 2, 24]);
    expect([...image.data.subarray(0, 3)]).toEqual([255, 128, 0]);
  });

  it('puts alpha over white', async () => {
    const clear = await solidImage({ r: 0, g: 0, b: 0, alpha: 0 }, 4, 4).png().toBuffer();
    expect([...(await decodeImage('Post 1', clear, at(2, 2))).data]).toEqual(Array<number>(12).fill(255));
    const half = await solidImage({ r: 0, g: 0, b: 0, alpha: 0.5 }, 4, 4).png().toBuffer();
    expect((await decodeImage('Post 1', half, at(2, 2))).data[0]).toBeCloseTo(127, -1);
  });

  it('turns an image as its EXIF orientation says', async () => {
    // left half red, right half blue, to be turned by 90° clockwise: red on top
    const blue = await solidImage('#0000ff', 4, 8).png().toBuffer();
    const both = solidImage('#ff0000', 8, 8).composite([{ input: blue, left: 4, top: 0 }]);
    const turned = await sharp(await both.png().toBuffer())
      .withMetadata({ orientation: 6 })
      .png()
      .toBuffer();
    const { data } = await decodeImage('Post 1', turned, at(8, 8));
    expect([...data.subarray(0, 3)]).toEqual([255, 0, 0]);
    expect([...data.subarray(7 * 8 * 3, 7 * 8 * 3 + 3)]).toEqual([0, 0, 255]);
  });

  it.each([
    ['gray', (image: Sharp) => image.toColorspace('b-w').jpeg()],
    ['CMYK', (image: Sharp) => image.toColorspace('cmyk').jpeg()],
    ['16-bit', (image: Sharp) => image.toColorspace('rgb16').png()],
    ['animated', (image: Sharp) => image.gif()],
    ['WebP', (image: Sharp) => image.webp()],
    ['TIFF', (image: Sharp) => image.tiff()],
  ])('takes %s images', async (_, encode) => {
    const bytes = await encode(solidImage('#808080', 8, 8)).toBuffer();
    const { data } = await decodeImage('Post 1', bytes, at(3, 3));
    expect(data).toHaveLength(27);
    for (const value of data) expect(Math.abs(value - 128)).toBeLessThan(20);
  });

  it('stretches the whole image or crops its center', async () => {
    const white = await solidImage('#ffffff', 10, 10).png().toBuffer();
    const wide = await solidImage('#000000', 30, 10)
      .composite([{ input: white, left: 10, top: 0 }])
      .png()
      .toBuffer();
    const mean = (data: Uint8Array) => data.reduce((sum, value) => sum + value, 0) / data.length;
    expect(mean((await decodeImage('Post 1', wide, at(30, 30, 'stretch'))).data)).toBeCloseTo(85, -1);
    expect(mean((await decodeImage('Post 1', wide, at(10, 10, 'crop'))).data)).toBe(255);
  });

  it('refuses a truncated JPEG', async () => {
    const whole = await noiseJpeg();
    const cut = whole.subarray(0, Math.floor(whole.length * 0.6));
    const error = await decodeImage('Post 3, image data/3.jpg', cut, at(32, 32)).catch((caught: unknown) => caught);
    expect(error).toBeInstanceOf(DataError);
    expect((error as RowError).reason).toBe('undecodable image');
    expect((error as RowError).message).toMatch(
      /^Post 3, image data\/3.jpg expected a whole image that decodes, received .*premature end of JPEG image; repair, replace or remove the file$/,
    );
  });

  it('refuses a PNG of 50,000 × 50,000 before decoding it', async () => {
    const bomb = await pngBomb(50_000, 50_000);
    const before = process.memoryUsage().rss;
    const attempts = [() => decodeImage('Post 4', bomb, at(8, 8)), () => readImageHeader('Post 4', bomb, 100_000_000)];
    for (const attempt of attempts) {
      const error = await attempt().catch((caught: unknown) => caught);
      expect((error as RowError).reason).toBe('image too large');
      expect((error as RowError).message).toMatch(
        /^Post 4 expected at most 100000000 pixels, received .*; shrink the image or raise/,
      );
    }
    expect(process.memoryUsage().rss - before).toBeLessThan(256 * 1024 * 1024);
  });

  it('refuses what is no image, and formats that could load other files', async () => {
    const drawing = Buffer.from('<svg xmlns="http://www.w3.org/2000/svg" width="8" height="8"/>');
    await expect(decodeImage('Post 5', drawing, at(8, 8))).rejects.toThrow(
      'Post 5 expected an image (JPEG, PNG, GIF, WebP, TIFF, AVIF/HEIF), received 62 bytes of something else; repair, convert or remove the file',
    );
  });
});

describe('readImageHeader', () => {
  it('gives size and format', async () => {
    const bytes = await solidImage('#123456', 30, 20).jpeg().toBuffer();
    expect(await readImageHeader('Post 1', bytes, 1000)).toEqual({ width: 30, height: 20, format: 'jpeg' });
  });
});
