import type { Metadata } from 'sharp';
import { DataError, type ErrorReport, type RgbImage } from '@drf/tensor';
import {
  describeOtherKind,
  IMAGE_FORMATS,
  sniffImageFormat,
  withoutHarmlessFaults,
  type ImageFormat,
} from './image-format.js';
import { loadSharp } from './sharp.js';

/** What can be wrong with an image. */
export type ImageFault = 'undecodable image' | 'image too large';

/** Bytes that are no image that can be used. */
export class ImageError extends DataError {
  static override readonly code = 'unusable-image';

  readonly reason: ImageFault;

  constructor(reason: ImageFault, report: ErrorReport, options?: ErrorOptions) {
    super(report, options);
    this.reason = reason;
  }
}

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
export const IMAGE_DECODER_VERSION = 'image-2';

/** What a file's header says, before rotation. */
export interface ImageHeader {
  readonly width: number;
  readonly height: number;
  readonly format: string;
}

/** What libvips calls each format. */
const DECODER_NAMES: Readonly<Record<ImageFormat, string>> = {
  JPEG: 'jpeg',
  PNG: 'png',
  GIF: 'gif',
  WebP: 'webp',
  TIFF: 'tiff',
  'AVIF/HEIF': 'heif',
};

/** An image with a side longer than this is refused: rows and columns cost time however few pixels they have. */
const MAXIMUM_IMAGE_SIDE = 32_768;

/** Memory that decoding one image may take. Images that decode row by row take next to none. */
const MAXIMUM_DECODER_BYTES = 256 * 1024 * 1024;

/** A decoding that takes longer ends in an error. Only decoders that work piece by piece can be stopped midway. */
const MAXIMUM_SECONDS = 60;

/** Channels of an image without transparency, by its color space. */
const COLOR_CHANNELS: Readonly<Record<string, number>> = {
  'b-w': 1,
  grey16: 1,
  srgb: 3,
  rgb: 3,
  rgb16: 3,
  lab: 3,
  labs: 3,
  cmyk: 4,
};

/** Bytes a pixel that decoders hold of an image at once (measured at 20 megapixels, rounded up). */
function decoderBytesPerPixel({ format, isProgressive, depth }: Metadata): number {
  if (format === 'heif') return 16;
  const holdsAll = format === 'webp' || format === 'gif' || format === 'tiff' || isProgressive === true;
  return holdsAll ? (depth === 'ushort' ? 14 : 7) : 0;
}

const REPAIR = 'repair, replace or remove the file';

function refused(subject: string, expected: string, received: string, remedy = REPAIR, cause?: unknown): ImageError {
  return new ImageError('undecodable image', { subject, expected, received, remedy }, { cause });
}

function tooLarge(subject: string, expected: string, received: string, remedy = 'shrink the image'): ImageError {
  return new ImageError('image too large', { subject, expected, received, remedy });
}

/** Checks what the decoder takes the bytes for before any pixel is decoded. @throws ImageError naming what is wrong */
async function inspectHeader(subject: string, bytes: Uint8Array, maximumPixels: number): Promise<Metadata> {
  const sniffed = sniffImageFormat(bytes);
  if (sniffed === null) {
    const expected = `an image (${IMAGE_FORMATS.join(', ')})`;
    throw refused(subject, expected, describeOtherKind(bytes), 'repair, convert or remove the file');
  }
  const sharp = await loadSharp();
  const metadata = await sharp(bytes, { failOn: 'none', limitInputPixels: false })
    .metadata()
    .catch((cause: unknown) => {
      throw refused(subject, 'a whole image that decodes', faultOf(sniffed, cause), REPAIR, cause);
    });
  const { format, width, height, depth, channels, space } = metadata;
  if (format !== DECODER_NAMES[sniffed]) {
    throw refused(subject, `an image that is ${sniffed} throughout`, `one that decodes as ${format}`);
  }
  const size = `${width} × ${height}, ${width * height} pixels`;
  if (width * height > maximumPixels) {
    const remedy = 'shrink the image or raise maximumImagePixels';
    throw tooLarge(subject, `at most ${maximumPixels} pixels`, size, remedy);
  }
  if (width > MAXIMUM_IMAGE_SIDE || height > MAXIMUM_IMAGE_SIDE) {
    throw tooLarge(subject, `sides of at most ${MAXIMUM_IMAGE_SIDE} pixels`, size);
  }
  const bytesPerPixel = decoderBytesPerPixel(metadata);
  if (width * height * bytesPerPixel > MAXIMUM_DECODER_BYTES) {
    const pixels = Math.floor(MAXIMUM_DECODER_BYTES / bytesPerPixel);
    const kind = metadata.isProgressive === true ? `a progressive or interlaced ${sniffed}` : sniffed;
    const remedy = 'shrink the image, or save it as baseline JPEG';
    throw tooLarge(subject, `at most ${pixels} pixels in ${kind}, which decodes as a whole`, size, remedy);
  }
  const colors = COLOR_CHANNELS[space];
  if ((depth !== 'uchar' && depth !== 'ushort') || colors === undefined || channels > colors + 1) {
    const expected = 'an image of 8 or 16 bits a channel in gray, RGB or CMYK, with or without transparency';
    throw refused(subject, expected, `${channels} channels of type ${depth} (${space})`, 'convert the image');
  }
  return metadata;
}

/** A decoder's complaint without what sharp puts around it. */
function complaintOf(cause: unknown): string {
  const lines = (cause instanceof Error ? cause.message : String(cause)).split('\n');
  const own = lines.find((line) => line !== '' && !line.startsWith('Warning treated as error')) ?? '';
  return own.replace(/^Input buffer (has corrupt header|contains unsupported image format)[:\s]*/, '').replace(/[\s:]+$/, ''); // prettier-ignore
}

/** What is the matter with an image, in words, with the decoder's own in brackets: "a JPEG that is cut off (…)". */
function faultOf(kind: ImageFormat | 'image', cause: unknown): string {
  const complaint = complaintOf(cause);
  const isCut = /premature end|unexpected end|bad seek/i.test(complaint);
  const article = /^[AEIO]/i.test(kind) ? 'an' : 'a';
  if (isCut) return `${article} ${kind} that is cut off (${complaint})`;
  return `${article} ${kind} that is damaged or cut off${complaint === '' ? '' : ` (${complaint})`}`;
}

/**
 * Decodes to red-green-blue pixels of the wanted size: rotated as EXIF says, alpha over white, any color space to sRGB,
 * the first frame of an animation.
 * @param subject who is decoded, for the error
 * @returns pixels of shape [height, width, 3]
 * @throws ImageError when the bytes are no image, cut off or damaged, of another kind than they begin as, or claim more
 *   than `maximumPixels`, {@link MAXIMUM_IMAGE_SIDE} or the decoder's memory
 */
export async function decodeImage(subject: string, bytes: Uint8Array, decoding: ImageDecoding): Promise<RgbImage> {
  const { width, height, maximumPixels } = decoding;
  const { format } = await inspectHeader(subject, bytes, maximumPixels);
  try {
    const data = await decodePixels(bytes, decoding).catch((cause: unknown) => {
      // What is only warned of may be half an image; a JPEG whose header is all that is wrong is whole.
      if (format === 'jpeg') return decodePixels(withoutHarmlessFaults(bytes), decoding);
      throw cause;
    });
    return { width, height, data: new Uint8Array(data.buffer, data.byteOffset, data.length) };
  } catch (cause) {
    const complaint = complaintOf(cause);
    if (complaint.startsWith('timeout')) {
      throw tooLarge(subject, `an image that decodes within ${MAXIMUM_SECONDS} s`, complaint);
    }
    throw refused(
      subject,
      'a whole image that decodes',
      faultOf(sniffImageFormat(bytes) ?? 'image', cause),
      REPAIR,
      cause,
    );
  }
}

async function decodePixels(bytes: Uint8Array, decoding: ImageDecoding): Promise<Buffer> {
  const { width, height, fit, maximumPixels } = decoding;
  const sharp = await loadSharp();
  return sharp(bytes, { failOn: 'warning', limitInputPixels: maximumPixels, sequentialRead: true })
    .timeout({ seconds: MAXIMUM_SECONDS })
    .autoOrient()
    .resize(width, height, { fit: fit === 'crop' ? 'cover' : 'fill' })
    .flatten({ background: '#ffffff' })
    .toColorspace('srgb')
    .raw({ depth: 'uchar' })
    .toBuffer(); // [height, width, 3]
}

/** Reads an image's header only. @throws ImageError as {@link decodeImage}, but a cut-off body goes unnoticed */
export async function readImageHeader(subject: string, bytes: Uint8Array, maximumPixels: number): Promise<ImageHeader> {
  const { width, height, format } = await inspectHeader(subject, bytes, maximumPixels);
  return { width, height, format };
}
