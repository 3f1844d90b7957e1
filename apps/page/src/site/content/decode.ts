import type { RgbImage } from '@drf/tensor';
import { PageError } from '../page-error.js';
import { LANCZOS, resample } from './resample.js';

/** As the other apps have it. */
const MAXIMUM_BYTES = 64 * 1024 * 1024;
/** What a tab can hold beside the model; a larger image is scaled by the browser while it decodes. */
const LARGEST_SIDE = 2048;

/**
 * Decodes an image file to the model's size: turned as EXIF says, alpha over white, sRGB.
 * @throws PageError when the file is too large or no image that this browser reads
 */
export async function decodeImage(file: Blob, side: number): Promise<RgbImage> {
  if (file.size > MAXIMUM_BYTES) throw new PageError('This file is larger than 64 MiB. Choose a smaller image.');
  const bitmap = await open(file);
  try {
    return resample(pixelsOf(bitmap), side, side, LANCZOS);
  } finally {
    bitmap.close();
  }
}

async function open(file: Blob): Promise<ImageBitmap> {
  try {
    return await createImageBitmap(file);
  } catch {
    throw new PageError('This browser cannot read that file as an image. Choose a JPEG, PNG, GIF, WebP or AVIF file.');
  }
}

function pixelsOf(bitmap: ImageBitmap): RgbImage {
  const scale = Math.min(1, LARGEST_SIDE / Math.max(bitmap.width, bitmap.height));
  const [width, height] = [bitmap.width, bitmap.height].map((size) => Math.max(1, Math.round(size * scale))) as [number, number]; // prettier-ignore
  const context = new OffscreenCanvas(width, height).getContext('2d', { willReadFrequently: true });
  if (context === null) throw new PageError('This browser offers no canvas to decode images on.');
  context.fillStyle = '#ffffff';
  context.fillRect(0, 0, width, height);
  context.imageSmoothingQuality = 'high';
  context.drawImage(bitmap, 0, 0, width, height);
  return fromRgba(context.getImageData(0, 0, width, height));
}

function fromRgba({ width, height, data }: ImageData): RgbImage {
  const rgb = new Uint8Array(width * height * 3);
  for (let from = 0, to = 0; to < rgb.length; from += 4, to += 3) {
    rgb[to] = data[from] as number;
    rgb[to + 1] = data[from + 1] as number;
    rgb[to + 2] = data[from + 2] as number;
  }
  return { width, height, data: rgb };
}

/** Draws an image on a canvas, which takes its size. */
export function drawImage(canvas: HTMLCanvasElement, { width, height, data }: RgbImage): void {
  canvas.width = width;
  canvas.height = height;
  const rgba = new ImageData(width, height);
  for (let from = 0, to = 0; from < data.length; from += 3, to += 4) {
    rgba.data[to] = data[from] as number;
    rgba.data[to + 1] = data[from + 1] as number;
    rgba.data[to + 2] = data[from + 2] as number;
    rgba.data[to + 3] = 255;
  }
  canvas.getContext('2d', { willReadFrequently: true })?.putImageData(rgba, 0, 0);
}
