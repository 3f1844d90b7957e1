import sharp, { type Sharp, type SharpOptions } from 'sharp';
import type { RgbImage } from '@drf/tensor';
import { IMAGE_FORMATS, sniffImageFormat } from './image-format.js';
import { messageOf, RowError } from './row-error.js';

/** How an image of other proportions becomes the wanted size: stretched whole, or its center cut out. */
export type ImageFit = 'stretch' | 'crop';

/** The size that images are decoded to, how they are fitted to it, and the largest that are read. */
export interface ImageDecoding {
  /** Pixels of the decoded image. */
  readonly width: number;
  readonly height: number;
  readonly fit: ImageFit;
  /** Images that claim more pixels than this are refused before any is decoded. */
  readonly maximumPixels: number;
}

/** 224 × 224 pixels, stretched, with the limits on files and pixels that the README names. */
export const DEFAULT_IMAGE_DECODING: ImageDecoding = {
  width: 224,
  height: 224,
  fit: 'stretch',
  maximumPixels: 100_000_000,
};

/** Changes whenever the same bytes would decode to other pixels. Part of content hashes. */
export const IMAGE_DECODER_VERSION = 'image-1';

/** What a file's header says, before rotation. */
export interface ImageHeader {
  readonly width: number;
  readonly height: number;
  readonly format: string;
}

let configured = false;

/** Many images decode side by side, so each takes one thread, and finished ones are not kept. */
function configureSharp(): void {
  if (configured) return;
  sharp.concurrency(1);
  sharp.cache(false);
  configured = true;
}

function open(subject: string, bytes: Uint8Array, maximumPixels: number): Sharp {
  configureSharp();
  if (sniffImageFormat(bytes) === null) {
    throw new RowError('undecodable image', {
      subject,
      expected: `an image (${IMAGE_FORMATS.join(', ')})`,
      received: `${bytes.length} bytes of something else`,
      remedy: 'repair, convert or remove the file',
    });
  }
  const options: SharpOptions = { failOn: 'truncated', limitInputPixels: maximumPixels, sequentialRead: true };
  return sharp(bytes, options);
}

function refuse(subject: string, maximumPixels: number, cause: unknown): RowError {
  const message = (messageOf(cause).split('\n')[0] as string).replace(/[\s:]+$/, ''); // sharp's own ends in a colon
  const tooLarge = /pixel limit|too large/i.test(message);
  return new RowError(
    tooLarge ? 'image too large' : 'undecodable image',
    {
      subject,
      expected: tooLarge ? `at most ${maximumPixels} pixels` : 'a whole image that decodes',
      received: message,
      remedy: tooLarge ? 'shrink the image or raise maximumImagePixels' : 'repair, replace or remove the file',
    },
    { cause },
  );
}

/**
 * Decodes to red-green-blue pixels of the wanted size: rotated as EXIF says, alpha over white, any color space to sRGB,
 * the first frame of an animation.
 * @param subject who is decoded, for the error
 * @returns pixels of shape [height, width, 3]
 * @throws RowError when the bytes are no image, cut off, or claim more than `maximumPixels`
 */
export async function decodeImage(subject: string, bytes: Uint8Array, decoding: ImageDecoding): Promise<RgbImage> {
  const { width, height, fit, maximumPixels } = decoding;
  const image = open(subject, bytes, maximumPixels);
  try {
    const data = await image
      .autoOrient()
      .resize(width, height, { fit: fit === 'crop' ? 'cover' : 'fill' })
      .flatten({ background: '#ffffff' })
      .toColorspace('srgb')
      .raw({ depth: 'uchar' })
      .toBuffer(); // [height, width, 3]
    return { width, height, data: new Uint8Array(data.buffer, data.byteOffset, data.length) };
  } catch (cause) {
    throw refuse(subject, maximumPixels, cause);
  }
}

/** Reads an image's header only. @throws RowError as {@link decodeImage}, but a cut-off body goes unnoticed */
export async function readImageHeader(subject: string, bytes: Uint8Array, maximumPixels: number): Promise<ImageHeader> {
  const image = open(subject, bytes, maximumPixels);
  try {
    const { width, height, format } = await image.metadata();
    if (width * height > maximumPixels) throw new Error(`an image of ${width} × ${height}, too large`);
    return { width, height, format };
  } catch (cause) {
    throw refuse(subject, maximumPixels, cause);
  }
}
