import type { RgbImage } from '@drf/tensor';
import { loadSharp } from './sharp.js';

/** How small. */
export interface SmallImageOptions {
  readonly format: 'jpeg' | 'webp';
  /** Longest side in pixels; smaller images stay as they are. */
  readonly side: number;
  /** Default: 80. */
  readonly quality?: number;
  /** The image gets coarser until it fits; default: as large as it comes. */
  readonly maximumBytes?: number;
}

/** Coarsest that is tried. */
const LOWEST_QUALITY = 20;

/** A decoded image as a small file, for people to look at; the same for the same pixels. */
export async function encodeSmall({ width, height, data }: RgbImage, options: SmallImageOptions): Promise<Uint8Array> {
  const { format, side, maximumBytes = Infinity } = options;
  const sharp = await loadSharp();
  for (let quality = options.quality ?? 80; ; quality -= 15) {
    const bytes = await sharp(data, { raw: { width, height, channels: 3 } })
      .resize(side, side, { fit: 'inside', withoutEnlargement: true })
      .toFormat(format, { quality: Math.max(quality, LOWEST_QUALITY) })
      .toBuffer();
    if (bytes.length <= maximumBytes || quality <= LOWEST_QUALITY) return bytes;
  }
}

/** A decoded image as a PNG file, from which the same pixels come back. */
export async function encodePng({ width, height, data }: RgbImage): Promise<Uint8Array> {
  const sharp = await loadSharp();
  return sharp(data, { raw: { width, height, channels: 3 } })
    .png()
    .toBuffer();
}
