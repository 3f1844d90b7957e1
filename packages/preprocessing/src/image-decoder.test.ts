import { deflateSync } from 'node:zlib';
import sharp, { type Sharp } from 'sharp';
import { DataError } from '@drf/tensor';
import { describe, expect, it } from 'vitest';
import {
  decodeImage,
  DEFAULT_IMAGE_DECODING,
  readImageHeader,
  type ImageDecoding,
  type ImageError,
} from './image-decoder.js';
import { openDrawing } from './sharp.js';
import { chunk, noiseJpeg, pngBomb, solidImage, tiff } from './testing/index.js';

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
    expect((error as ImageError).reason).toBe('undecodable image');
    expect((error as ImageError).message).toMatch(
      /^Post 3, image data\/3.jpg expected a whole image that decodes, received a JPEG that is cut off \(VipsJpeg: premature end of JPEG image\); repair, replace or remove the file$/,
    );
  });

  it('refuses a PNG of 50,000 × 50,000 before decoding it', async () => {
    const bomb = await pngBomb(50_000, 50_000);
    const before = process.memoryUsage().rss;
    const attempts = [() => decodeImage('Post 4', bomb, at(8, 8)), () => readImageHeader('Post 4', bomb, 100_000_000)];
    for (const attempt of attempts) {
      const error = await attempt().catch((caught: unknown) => caught);
      expect((error as ImageError).reason).toBe('image too large');
      expect((error as ImageError).message).toMatch(
        /^Post 4 expected at most 100000000 pixels, received .*; shrink the image or raise/,
      );
    }
    expect(process.memoryUsage().rss - before).toBeLessThan(256 * 1024 * 1024);
  });

  it('refuses what is no image, and formats that could load other files', async () => {
    const drawing = Buffer.from('<svg xmlns="http://www.w3.org/2000/svg" width="8" height="8"/>');
    await expect(decodeImage('Post 5', drawing, at(8, 8))).rejects.toThrow(
      'Post 5 expected an image (JPEG, PNG, GIF, WebP, TIFF, AVIF/HEIF), received 62 bytes of something else (an SVG drawing); repair, convert or remove the file',
    );
  });

  it.each([
    ['JPEG closed early', async () => closedEarly(await noiseJpeg())],
    ['progressive JPEG closed early', async () => closedEarly(await progressive())],
    ['JPEG with zeros in its middle', async () => zeroed(await noiseJpeg())],
    ['progressive JPEG with zeros in its middle', async () => zeroed(await progressive())],
    ['GIF with zeros in its middle', async () => zeroed(await (await noise()).gif().toBuffer())],
    ['compressed TIFF with zeros in its middle', async () => zeroed(await (await noise()).tiff({ compression: 'lzw' }).toBuffer())],
    ['JPEG closed early under a header that is warned of', async () => strangeHeader(closedEarly(await noiseJpeg()))],
  ])('refuses a %s', async (_, make) => {
    const error = await decodeImage('Post 3', await make(), at(32, 32)).catch((caught: unknown) => caught);
    expect((error as ImageError).reason).toBe('undecodable image');
    expect((error as ImageError).message).toMatch(/^Post 3 expected a whole image that decodes, received .+; repair/);
  }); // prettier-ignore

  it('takes whole images that decoders merely warn about', async () => {
    const whole = await noiseJpeg();
    const { data } = await decodeImage('Post 3', whole, at(32, 32));
    const trailing = Buffer.concat([whole, Buffer.alloc(3000)]);
    const inside = Buffer.concat([whole.subarray(0, -2), Buffer.alloc(8, 0x11), whole.subarray(-2)]);
    for (const warned of [strangeHeader(whole), trailing, inside]) {
      expect((await decodeImage('Post 3', warned, at(32, 32))).data).toEqual(data);
    }
    const profile = Buffer.concat([Buffer.from('bad\0\0', 'latin1'), deflateSync('nonsense')]);
    const png = await solidImage('#ff8000', 4, 4).png().toBuffer();
    const header = png.subarray(0, 33);
    const unprofiled = Buffer.concat([header, chunk('iCCP', profile), png.subarray(33)]);
    expect([...(await decodeImage('Post 3', unprofiled, at(1, 1))).data]).toEqual([255, 128, 0]);
  });

  it.each([
    ['a comment that looks like AVIF', '<!--ftyp--><svg xmlns="http://www.w3.org/2000/svg" width="8" height="8"/>'],
    ['a comment that looks like WebP', '<!-- -->WEBP<svg xmlns="http://www.w3.org/2000/svg" width="8" height="8"/>'],
    ['GIF', 'GIF89a<svg xmlns="http://www.w3.org/2000/svg" width="8" height="8"/>'],
    ['a JPEG', '\xff\xd8\xff<svg xmlns="http://www.w3.org/2000/svg" width="8" height="8"/>'],
    ['AVIF', '\0\0\0\x20ftypavif<svg xmlns="http://www.w3.org/2000/svg" width="8" height="8"/>'],
  ])('refuses a drawing that begins as %s', async (_, text) => {
    const bytes = Buffer.from(text, 'latin1');
    const error = await decodeImage('Post 5', bytes, at(8, 8)).catch((caught: unknown) => caught);
    expect((error as ImageError).reason).toBe('undecodable image');
    await (await openDrawing('<svg xmlns="http://www.w3.org/2000/svg" width="8" height="8"/>')).png().toBuffer();
    await expect(decodeImage('Post 5', bytes, at(8, 8))).rejects.toThrow((error as ImageError).message);
  });

  it('bounds the sides of an image', async () => {
    const tall = await pngBomb(1, 40_000);
    await expect(decodeImage('Post 6', tall, at(8, 8))).rejects.toThrow(
      'Post 6 expected sides of at most 32768 pixels, received 1 × 40000, 40000 pixels; shrink the image',
    );
    expect((await decodeImage('Post 6', await pngBomb(1, 20_000), at(8, 8))).data[0]).toBe(0);
  });

  it('bounds the memory of images that decode as a whole', async () => {
    const avif = await solidImage('#334455', 4200, 4200).avif({ effort: 0 }).toBuffer();
    await expect(decodeImage('Post 7', avif, at(8, 8))).rejects.toThrow(
      'Post 7 expected at most 16777216 pixels in AVIF/HEIF, which decodes as a whole, received 4200 × 4200, 17640000 pixels; shrink the image, or save it as baseline JPEG',
    );
    const small = await solidImage('#334455', 64, 64).avif({ effort: 0 }).toBuffer();
    expect((await decodeImage('Post 7', small, at(1, 1))).data[0]).toBeCloseTo(0x33, -1);
  });

  it('gives the right pixels of TIFF in integers, and refuses what is in other numbers or channels', async () => {
    const uint16 = Buffer.from(Uint16Array.from({ length: 48 }, (_, i) => [65_535, 32_896, 0][i % 3] as number).buffer);
    const rgb = { samples: 3, sampleFormat: 1, photometric: 2 };
    const eight = Buffer.from(Array.from({ length: 48 }, (_, i) => [255, 128, 0][i % 3] as number));
    for (const image of [tiff({ ...rgb, bits: 8, data: eight }), tiff({ ...rgb, bits: 16, data: uint16 })]) {
      expect([...(await decodeImage('Post 8', image, at(1, 1))).data]).toEqual([255, 128, 0]);
    }
    const float = Buffer.from(Float32Array.from({ length: 48 }, (_, i) => [1, 0.5, 0][i % 3] as number).buffer);
    const five = Buffer.from(Array.from({ length: 80 }, (_, i) => [255, 128, 0, 40, 200][i % 5] as number));
    const wrong = [
      [tiff({ ...rgb, sampleFormat: 3, bits: 32, data: float }), '3 channels of type float'],
      [tiff({ samples: 1, sampleFormat: 3, photometric: 1, bits: 32, data: float }), '1 channels of type float'],
      [tiff({ ...rgb, bits: 32, data: Buffer.alloc(192, 0x80) }), '3 channels of type uint'],
      [tiff({ ...rgb, sampleFormat: 2, bits: 16, data: uint16 }), '3 channels of type short'],
      [tiff({ ...rgb, samples: 5, bits: 8, data: five }), '5 channels of type uchar'],
    ] as const;
    for (const [image, received] of wrong) {
      await expect(decodeImage('Post 8', image, at(1, 1))).rejects.toThrow(
        `Post 8 expected an image of 8 or 16 bits a channel in gray, RGB or CMYK, with or without transparency, received ${received}`,
      );
    }
  });

  it.each([
    ['BM\x36\0\0\0\0\0\0\0', '10 bytes of something else (a BMP image)'],
    [
      'version https://git-lfs.github.com/spec/v1',
      '42 bytes of something else (a Git LFS pointer, whose file was not downloaded)',
    ],
    ['<!DOCTYPE html><title>Not found</title>', '39 bytes of something else (a web page)'],
    ['\0\0\0\x20ftypisom', '12 bytes of something else (a video or audio file)'],
    ['what is this', '12 bytes of something else'],
  ])('names what is no image: %j', async (text, kind) => {
    await expect(decodeImage('Post 9', Buffer.from(text, 'latin1'), at(1, 1))).rejects.toThrow(`received ${kind};`);
  });
});

const noise = async (): Promise<Sharp> => sharp(await noiseJpeg());
const progressive = async (): Promise<Buffer> => (await noise()).jpeg({ progressive: true }).toBuffer();

/** The first half of the data and an end mark. */
function closedEarly(jpeg: Buffer): Buffer {
  return Buffer.concat([jpeg.subarray(0, jpeg.length / 2), Buffer.from('ffd9', 'hex')]);
}

function zeroed(whole: Buffer): Buffer {
  const copy = Buffer.from(whole);
  return copy.fill(0, Math.floor(copy.length * 0.4), Math.floor(copy.length * 0.7));
}

/** With a JFIF revision of the future, bytes between segments, and odd parameters of the scan. */
function strangeHeader(jpeg: Buffer): Buffer {
  const revision = Buffer.from('ffe000104a46494600090900000100010000', 'hex'); // JFIF 9.09
  const scan = jpeg.indexOf('ffda', 0, 'hex');
  const end = scan + 2 + jpeg.readUInt16BE(scan + 2);
  const parameters = Buffer.from([0, 0, 0]); // of sequential images: 0, 63, 0
  const head = [jpeg.subarray(0, 2), revision, jpeg.subarray(2, scan), Buffer.from('3344', 'hex')];
  return Buffer.concat([...head, jpeg.subarray(scan, end - 3), parameters, jpeg.subarray(end)]);
}

describe('readImageHeader', () => {
  it('gives size and format', async () => {
    const bytes = await solidImage('#123456', 30, 20).jpeg().toBuffer();
    expect(await readImageHeader('Post 1', bytes, 1000)).toEqual({ width: 30, height: 20, format: 'jpeg' });
  });
});
