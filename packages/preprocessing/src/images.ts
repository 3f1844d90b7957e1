import { DataError, hostTensor, type HostTensor, type RgbImage } from '@drf/tensor';
import { loadSharp } from './sharp.js';

/** @throws DataError naming the image when its size is not a whole positive one or does not fit its pixels. */
export function assertImage(image: RgbImage, subject: string): void {
  const received = describe(image);
  if (received === undefined) return;
  throw new DataError({
    subject,
    expected: 'an RgbImage { width, height, data } with 3 bytes a pixel',
    received,
    remedy: 'decode the image to RGB without alpha',
  });
}

function describe(image: RgbImage): string | undefined {
  if (typeof image !== 'object' || image === null) return image === null ? 'null' : typeof image;
  const { width, height, data } = image;
  if (!(data instanceof Uint8Array)) return `one whose data is ${data === null ? 'null' : typeof data}`;
  const whole = Number.isInteger(width) && Number.isInteger(height) && width > 0 && height > 0;
  if (whole && data.length === width * height * 3) return undefined;
  return `${String(width)} × ${String(height)} with ${data.length} bytes`;
}

/** Filters by the names of `sharp`; `linear` is what elsewhere is called bilinear. */
export type ResizeKernel = 'nearest' | 'linear' | 'cubic' | 'lanczos3';

/**
 * Scales an image to a size without keeping its aspect, by a filter that widens when shrinking, so that fine patterns
 * do not alias (as Pillow does, too). An image of that size already comes back as it is.
 */
export async function resizeImage(
  image: RgbImage,
  width: number,
  height: number,
  kernel: ResizeKernel = 'linear',
): Promise<RgbImage> {
  if (image.width === width && image.height === height) return image;
  const sharp = await loadSharp();
  const data = await sharp(image.data, { raw: { width: image.width, height: image.height, channels: 3 } })
    .resize(width, height, { fit: 'fill', kernel })
    .raw()
    .toBuffer();
  return { width, height, data };
}

/**
 * Images as float32 [images, side, side, 3] in 0 … 1.
 * @throws DataError naming the place of an image that cannot be used
 */
export async function unitPixels(images: readonly RgbImage[], side: number): Promise<HostTensor> {
  images.forEach((image, i) => assertImage(image, `images[${i}]`));
  const perImage = side * side * 3;
  const pixels = new Float32Array(images.length * perImage);
  const resized = await Promise.all(images.map((image) => resizeImage(image, side, side)));
  resized.forEach(({ data }, i) => {
    for (let k = 0; k < perImage; k++) pixels[i * perImage + k] = (data[k] as number) / 255;
  });
  return hostTensor(pixels, [images.length, side, side, 3]);
}
