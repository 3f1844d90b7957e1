import { corruptImage, corruptText } from '@drf/disruption';
import type { PostContent } from '@drf/judge';
import { createRandom, type Modality, type RgbImage } from '@drf/tensor';
import { PageError } from './judge/connection.js';

/** What the reader chose: contents, which of them are part of the post, how much of each is corrupted, and by which draw. */
export interface PostState {
  readonly image: RgbImage | null;
  readonly text: string;
  readonly isOn: Readonly<Record<Modality, boolean>>;
  /** Of the pixels and of the words, from 0 to 1. */
  readonly fraction: Readonly<Record<Modality, number>>;
  readonly seed: number;
}

export const EMPTY_POST: PostState = {
  image: null,
  text: '',
  isOn: { image: true, text: true },
  fraction: { image: 0, text: 0 },
  seed: 1,
};

/**
 * What the model reads: corrupted as `@drf/disruption` does everywhere, by a seed; null for what is missing or switched
 * off.
 */
export function contentOf({ image, text, isOn, fraction, seed }: PostState, maskToken: string): PostContent {
  const random = createRandom(seed).fork('page');
  return {
    image: image === null || !isOn.image ? null : corruptImage(image, fraction.image, random.fork('image')),
    text: text.trim() === '' || !isOn.text ? null : corruptText(text, fraction.text, random.fork('text'), maskToken),
  };
}

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
