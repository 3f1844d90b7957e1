import { corruptImage, corruptText } from '@drf/disruption';
import type { PostContent } from '@drf/judge';
import { decodeImage as decode } from '@drf/judge/browser-image';
import { createRandom, isDrfError, type Modality, type RgbImage } from '@drf/tensor';
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

/**
 * Decodes an image file to the model's size.
 * @throws PageError when the file is too large or no image that this browser reads
 */
export async function decodeImage(file: Blob, side: number): Promise<RgbImage> {
  try {
    return await decode(file, side);
  } catch (error) {
    if (!isDrfError(error)) throw error;
    if (error.code === 'too-large') throw new PageError('This file is larger than 64 MiB. Choose a smaller image.');
    throw new PageError('This browser cannot read that file as an image. Choose a JPEG, PNG, GIF, WebP or AVIF file.');
  }
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
