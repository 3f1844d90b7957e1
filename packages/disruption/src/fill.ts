import { ConfigurationError, type Post, type RgbImage } from '@drf/tensor';
import { DEFAULT_MASK } from './corrupt.js';

/** In pixels. */
export interface ImageSize {
  readonly width: number;
  readonly height: number;
}

/** A black image. @throws ConfigurationError unless both sides are whole and positive. */
export function blankImage(width: number, height: number): RgbImage {
  if (![width, height].every((side) => Number.isSafeInteger(side) && side > 0)) {
    throw new ConfigurationError({
      subject: 'blankImage',
      expected: 'a whole, positive width and height',
      received: `${width} × ${height}`,
    });
  }
  return { width, height, data: new Uint8Array(width * height * 3) };
}

/** A text of masks alone, with a space between two. @param words how many, at least one */
export function blankText(words: number, mask: string = DEFAULT_MASK): string {
  return Array.from({ length: Math.max(1, words) }, () => mask).join(' ');
}

/** What stands in where a text is missing. */
export interface FillOptions {
  /** What stands for a word; `[MASK]` unless told otherwise. */
  readonly mask?: string;
  /** Words of the text that was there before it was discarded; 1 where there never was one. */
  readonly words?: number;
}

/**
 * For methods that cannot take a missing modality: a black image, and as many masks as the discarded text had words,
 * stand in. One lone mask would lie outside of everything that such a method saw in training and mislead it more than
 * the loss of the words does.
 */
export function fillMissing(post: Post, size: ImageSize, { mask, words = 1 }: FillOptions = {}): Post {
  if (post.image !== null && post.text !== null) return post;
  return {
    ...post,
    image: post.image ?? blankImage(size.width, size.height),
    text: post.text ?? blankText(words, mask),
  };
}
