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

function chunk(type: string, data: Uint8Array): Buffer {
  const body = Buffer.concat([Buffer.from(type, 'latin1'), data]);
  const frame = Buffer.alloc(8);
  frame.writeUInt32BE(data.length, 0);
  frame.writeUInt32BE(crc32(body), 4);
  return Buffer.concat([frame.subarray(0, 4), body, frame.subarray(4)]);
}

/** A whole, valid black PNG with one bit a pixel: some hundred kilobytes that claim width × height pixels. */
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
