import { ConfigurationError, type Post, type RgbImage } from '@drf/tensor';
import { DEFAULT_MASK, maskedText } from './corrupt-text.js';

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

/**
 * For methods that cannot take a missing modality: a black image and a text of one mask stand in. The text is one mask
 * long whatever was there before, since as many masks as words would tell the length of a text that is missing.
 */
export function fillMissing(post: Post, size: ImageSize, mask: string = DEFAULT_MASK): Post {
  if (post.image !== null && post.text !== null) return post;
  return {
    ...post,
    image: post.image ?? blankImage(size.width, size.height),
    text: post.text ?? maskedText('', mask),
  };
}
