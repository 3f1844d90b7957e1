import { DataError, refuser, type RgbImage } from '@drf/tensor';

/** An image as a browser has it: a file or its bytes, anything that is drawn (an element, a canvas, a bitmap), or pixels. */
export type BrowserImage = Blob | Uint8Array | ImageBitmapSource | RgbImage;

const MAXIMUM_BYTES = 64 * 1024 * 1024;
/** What a tab can hold beside the model; a larger image is scaled by the browser while it decodes. */
const LARGEST_SIDE = 2048;

/**
 * Decodes an image to the model's size: turned as EXIF says, alpha over white, sRGB. Pixels that are decoded stay as they
 * are.
 * @throws DataError for a file that is too large (code "too-large") or no image that this browser reads
 */
export async function decodeImage(image: BrowserImage, side: number): Promise<RgbImage> {
  if (isPixels(image)) return image;
  const bitmap = await open(image instanceof Uint8Array ? new Blob([Uint8Array.from(image)]) : image);
  try {
    return resample(pixelsOf(bitmap), side, side, LANCZOS);
  } finally {
    bitmap.close();
  }
}

/** Whether an image is decoded to three bytes a pixel already; a browser's own pixels have four. */
function isPixels(image: BrowserImage): image is RgbImage {
  if (!('width' in image && 'height' in image && 'data' in image)) return false;
  return image.data instanceof Uint8Array && image.data.length === image.width * image.height * 3;
}

async function open(image: ImageBitmapSource): Promise<ImageBitmap> {
  const refuse = refuser(DataError, 'The post, image,');
  if (image instanceof Blob && image.size > MAXIMUM_BYTES) {
    const received = `${image.size}`;
    const report = { subject: 'The post, image,', expected: `at most ${MAXIMUM_BYTES} bytes`, received };
    throw new DataError({ ...report, remedy: 'choose a smaller image', code: 'too-large' });
  }
  try {
    return await createImageBitmap(image);
  } catch (cause) {
    const received = cause instanceof Error ? cause.message : String(cause);
    throw refuse('an image that this browser reads', received, 'choose a JPEG, PNG, GIF, WebP or AVIF file', cause);
  }
}

function pixelsOf(bitmap: ImageBitmap): RgbImage {
  const scale = Math.min(1, LARGEST_SIDE / Math.max(bitmap.width, bitmap.height));
  const [width, height] = [bitmap.width, bitmap.height].map((size) => Math.max(1, Math.round(size * scale))) as [number, number]; // prettier-ignore
  const context = new OffscreenCanvas(width, height).getContext('2d', { willReadFrequently: true });
  if (context === null) throw refuser(DataError, 'The post, image,')('a canvas to decode it on', 'none', 'try another browser'); // prettier-ignore
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

/** A filter: its value at a distance, and how far it reaches. */
export interface Kernel {
  readonly reach: number;
  at(distance: number): number;
  /** Takes its place along an axis that is enlarged. */
  readonly enlarging?: Kernel;
}

function sinc(x: number): number {
  return x === 0 ? 1 : Math.sin(Math.PI * x) / (Math.PI * x);
}

/** Catmull and Rom's cubic, by which libvips enlarges where Lanczos is asked for. */
const CUBIC: Kernel = {
  reach: 2,
  at: (distance) => {
    const x = Math.abs(distance);
    if (x < 1) return 1 + x * x * (1.5 * x - 2.5);
    return x < 2 ? 2 + x * (-4 + x * (2.5 - 0.5 * x)) : 0;
  },
};
/** Lanczos with a = 3: how images are decoded to the size of the data set. */
export const LANCZOS: Kernel = { reach: 3, at: (x) => (Math.abs(x) < 3 ? sinc(x) * sinc(x / 3) : 0), enlarging: CUBIC };
/** Bilinear: how the embedded encoder scales what has another size than its own. */
export const LINEAR: Kernel = { reach: 1, at: (x) => Math.max(0, 1 - Math.abs(x)) };

/** Places of the source and their weights, for each place of the target. */
function taps(
  source: number,
  target: number,
  kernel: Kernel,
  shift: number,
): { first: number; weights: Float64Array }[] {
  const ratio = source / target;
  const filter = ratio < 1 ? (kernel.enlarging ?? kernel) : kernel;
  const width = Math.max(1, ratio); // widened when shrinking, so that fine patterns do not alias
  return Array.from({ length: target }, (_, place) => {
    const center = (place + shift) * ratio;
    const first = Math.max(0, Math.ceil(center - filter.reach * width - 0.5));
    const last = Math.min(source - 1, Math.floor(center + filter.reach * width - 0.5));
    const weights = Float64Array.from({ length: last - first + 1 }, (_, i) => filter.at((first + i + 0.5 - center) / width)); // prettier-ignore
    const sum = weights.reduce((a, b) => a + b, 0);
    return { first, weights: weights.map((weight) => weight / sum) };
  });
}

/** Scales an image to a size without keeping its aspect, one axis after the other; an image of that size stays as it is. */
export function resample(image: RgbImage, width: number, height: number, kernel: Kernel): RgbImage {
  if (image.width === width && image.height === height) return image;
  // libvips looks at the centers of pixels when it shrinks; where it enlarges either axis, at the corners of both
  const shift = width > image.width || height > image.height ? 0 : 0.5;
  const rows = new Float32Array(image.height * width * 3); // [height of the source, width, 3]
  taps(image.width, width, kernel, shift).forEach(({ first, weights }, x) => {
    for (let y = 0; y < image.height; y++) {
      for (let channel = 0; channel < 3; channel++) {
        let sum = 0;
        let at = (y * image.width + first) * 3 + channel;
        for (let i = 0; i < weights.length; i++, at += 3) sum += (weights[i] as number) * (image.data[at] as number);
        rows[(y * width + x) * 3 + channel] = sum;
      }
    }
  });
  const data = new Uint8Array(width * height * 3); // [height, width, 3]
  const stride = width * 3;
  taps(image.height, height, kernel, shift).forEach(({ first, weights }, y) => {
    for (let column = 0; column < stride; column++) {
      let sum = 0;
      for (let i = 0; i < weights.length; i++) sum += (weights[i] as number) * (rows[(first + i) * stride + column] as number); // prettier-ignore
      data[y * stride + column] = Math.max(0, Math.min(255, Math.round(sum)));
    }
  });
  return { width, height, data };
}
