// Images that the tests make for themselves.
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { crc32, createDeflate } from 'node:zlib';
import sharp, { type Colour, type Sharp } from 'sharp';

export function solidImage(background: Colour, width: number, height: number): Sharp {
  const channels = typeof background === 'object' && 'alpha' in background ? 4 : 3;
  return sharp({ create: { width, height, channels, background } });
}

/** A JPEG of noise, which has enough bytes to be cut. */
export async function noiseJpeg(width = 64, height = 64): Promise<Buffer> {
  const noise = { type: 'gaussian', mean: 128, sigma: 40 } as const;
  return sharp({ create: { width, height, channels: 3, background: '#000000', noise } })
    .jpeg()
    .toBuffer();
}

/** A chunk of a PNG with its checksum. */
export function chunk(type: string, data: Uint8Array): Buffer {
  const body = Buffer.concat([Buffer.from(type, 'latin1'), data]);
  const frame = Buffer.alloc(8);
  frame.writeUInt32BE(data.length, 0);
  frame.writeUInt32BE(crc32(body), 4);
  return Buffer.concat([frame.subarray(0, 4), body, frame.subarray(4)]);
}

/** A whole, valid black PNG with one bit a pixel: some hundred kilobytes that claim width × height pixels. Height: a multiple of 100. */
export async function pngBomb(width: number, height: number): Promise<Buffer> {
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.writeUInt8(1, 8); // bit depth; color type, compression, filter and interlace stay 0
  const rows = Buffer.alloc((1 + Math.ceil(width / 8)) * 100);
  const pixels = Readable.from(Array.from({ length: height / 100 }, () => rows)).pipe(createDeflate());
  const signature = Buffer.from('\x89PNG\r\n\x1a\n', 'latin1');
  return Buffer.concat([
    signature,
    chunk('IHDR', header),
    chunk('IDAT', await buffer(pixels)),
    chunk('IEND', header.subarray(0, 0)),
  ]);
}

/** What a hand-made TIFF holds: one strip of uncompressed samples. */
interface TiffForm {
  readonly samples: number;
  readonly bits: number;
  /** 1 unsigned, 2 signed, 3 floating point. */
  readonly sampleFormat: number;
  /** 1 gray, 2 RGB, 5 CMYK. */
  readonly photometric: number;
  readonly data: Buffer;
}

/** A TIFF (revision 6.0) of 4 × 4 pixels in forms that sharp does not write. */
export function tiff({ samples, bits, sampleFormat, photometric, data }: TiffForm): Buffer {
  const colors = { 1: 1, 2: 3, 5: 4 }[photometric] ?? 1;
  const tags: readonly (readonly [tag: number, values: readonly number[]])[] = [
    [256, [4]], // width
    [257, [4]], // height
    [258, Array<number>(samples).fill(bits)],
    [259, [1]], // no compression
    [262, [photometric]],
    [273, [0]], // where the strip begins; set below
    [277, [samples]],
    [278, [4]], // rows of the strip
    [279, [data.length]],
    ...(samples > colors ? [[338, Array<number>(samples - colors).fill(0)] as const] : []),
    [339, Array<number>(samples).fill(sampleFormat)],
  ];
  const directory = Buffer.alloc(8 + 2 + 12 * tags.length + 4);
  directory.write('II*\0', 'latin1');
  directory.writeUInt32LE(8, 4);
  directory.writeUInt16LE(tags.length, 8);
  const longer: Buffer[] = [];
  let end = directory.length;
  const dataAt = directory.length + tags.reduce((sum, [, { length }]) => sum + (length > 2 ? 2 * length : 0), 0);
  tags.forEach(([tag, values], index) => {
    const at = 10 + 12 * index;
    const words = Buffer.alloc(Math.max(4, 2 * values.length));
    (tag === 273 ? [dataAt] : values).forEach((value, i) => words.writeUInt16LE(value, 2 * i));
    directory.writeUInt16LE(tag, at);
    directory.writeUInt16LE(3, at + 2); // 16-bit values
    directory.writeUInt32LE(values.length, at + 4);
    if (values.length <= 2) words.copy(directory, at + 8);
    else {
      directory.writeUInt32LE(end, at + 8);
      longer.push(words);
      end += words.length;
    }
  });
  return Buffer.concat([directory, ...longer, data]);
}
