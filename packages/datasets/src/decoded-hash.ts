import { contentHash } from '@drf/files';
import { IMAGE_DECODER_VERSION, type ImageDecoding } from '@drf/preprocessing';
import { TEXT_DECODER_VERSION, type TextEncoding } from './text-decoder.js';

/**
 * SHA-256 of all that decides an image's pixels: its stored bytes and how they are decoded.
 * @param content the bytes, or a string that decides them
 */
export function imageHash(content: Uint8Array | string, { width, height, fit }: ImageDecoding): string {
  return contentHash(IMAGE_DECODER_VERSION, `${width}x${height}`, fit, content);
}

/** The same of a text: its bytes and their encoding. */
export function textHash(content: Uint8Array | string, encoding: TextEncoding): string {
  return contentHash(TEXT_DECODER_VERSION, encoding, content);
}
