import { ConfigurationError, type Random, type RgbImage, ShapeMismatchError } from '@drf/tensor';
import { drawSplitMixSeed, fillUint32, type SplitMixSeed } from './split-mix.js';

/** A disruption's fraction is drawn uniformly from here. */
export const FRACTION_RANGE = { low: 0.4, high: 0.8 } as const;

export function drawFraction(random: Random): number {
  return random.uniform(FRACTION_RANGE.low, FRACTION_RANGE.high);
}

/** @throws ConfigurationError unless the fraction lies in 0 … 1. */
function assertFraction(subject: string, fraction: number): void {
  if (!(fraction >= 0 && fraction <= 1)) {
    throw new ConfigurationError({ subject, expected: 'a fraction from 0 to 1', received: String(fraction) });
  }
}

/** A new image whose bytes start as those of the given one. @throws ShapeMismatchError when data and size disagree */
export function copyImage(subject: string, { width, height, data }: RgbImage): RgbImage {
  if (data.length !== width * height * 3) {
    throw new ShapeMismatchError({
      subject,
      expected: `[${height}, ${width}, 3] = ${width * height * 3} bytes`,
      received: `${data.length} bytes`,
      remedy: 'decode the image to 8-bit RGB without an alpha channel',
    });
  }
  return { width, height, data: new Uint8Array(data) }; // a copy, of a Buffer too, whose slice() would be a view
}

/** How pixels are chosen, for a manifest's header. */
export const PIXEL_RULE =
  'pixel i (row-major, from 0) becomes (0, 0, 0) if number i < fraction * 2^32, where the numbers are the outputs of ' +
  "SplitMix64 from the row's seed, each split into two 32-bit numbers, the lower half first";

/**
 * Blackens pixels in all three channels; each is chosen on its own with probability `fraction`, so the share of black
 * pixels is the fraction on average, not to the pixel. A larger fraction blackens a superset under the same seed.
 * @returns a new image; the given one stays as it is
 * @throws ConfigurationError for a fraction outside 0 … 1; ShapeMismatchError when data and size disagree
 */
export function blackenPixels(image: RgbImage, fraction: number, seed: SplitMixSeed): RgbImage {
  assertFraction('blackenPixels', fraction);
  const corrupted = copyImage('blackenPixels', image);
  const { data } = corrupted;
  const pixels = image.width * image.height;
  const numbers = fillUint32(seed, new Uint32Array(pixels));
  const threshold = fraction * 0x100000000; // a float64: exact, and 2³² itself when the fraction is 1
  for (let pixel = 0, offset = 0; pixel < pixels; pixel++, offset += 3) {
    if ((numbers[pixel] as number) < threshold) {
      data[offset] = 0;
      data[offset + 1] = 0;
      data[offset + 2] = 0;
    }
  }
  return corrupted;
}

/** {@link blackenPixels} under a seed of the stream, from which it takes two numbers. */
export function corruptImage(image: RgbImage, fraction: number, random: Random): RgbImage {
  return blackenPixels(image, fraction, drawSplitMixSeed(random));
}

/** What stands for a masked word unless told otherwise: BERT's token. */
export const DEFAULT_MASK = '[MASK]';

/** How words are chosen, for a manifest's header. */
export const WORD_RULE =
  'words are runs without Unicode white space (property White_Space), which stays as it is; of n words the ' +
  'max(1, floor(fraction * n + 0.5)) with the smallest numbers (ties: the earlier word) become the mask, where number ' +
  "j belongs to word j (from 0) and the numbers are the outputs of SplitMix64 from the row's seed, each split into " +
  'two 32-bit numbers, the lower half first';

/** The 25 characters of the Unicode property White_Space; unlike `\s` of JavaScript or Python, the same everywhere. */
const WHITE_SPACE = /([\t-\r \u0085\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]+)/;

/** Words at the even places, the white space between them at the odd ones; the outer words may be empty. */
export function splitWords(text: string): { parts: string[]; places: number[] } {
  const parts = text.split(WHITE_SPACE);
  const places = [...parts.keys()].filter((place) => place % 2 === 0 && parts[place] !== '');
  return { parts, places };
}

/**
 * A text's words that are kept (at least one), with the white space before each of them but the first, and that around
 * the whole text.
 * @param isKept by place among the words, from 0
 */
export function joinKept(text: string, isKept: (word: number) => boolean): string {
  const { parts, places } = splitWords(text);
  const [start, end] = [places[0], places.at(-1)];
  if (start === undefined || end === undefined) return text;
  const kept = places.filter((_, word) => isKept(word));
  const words = kept.map((place, i) => (i === 0 ? '' : parts[place - 1]) + (parts[place] as string));
  return [...parts.slice(0, start), ...words, ...parts.slice(end + 1)].join('');
}

/** How many words a text has. */
export function countWords(text: string): number {
  return splitWords(text).places.length;
}

/**
 * Replaces a fraction of the words by the mask and keeps every white-space character. Rounded to the nearest count of
 * words (half up), at least one when the text has one and the fraction is not 0. A larger fraction masks a superset
 * under the same seed. A text without words comes back as it is.
 * @throws ConfigurationError for a fraction outside 0 … 1
 */
export function maskWords(text: string, fraction: number, seed: SplitMixSeed, mask: string = DEFAULT_MASK): string {
  assertFraction('maskWords', fraction);
  const { parts, places } = splitWords(text);
  const numbers = fillUint32(seed, new Uint32Array(places.length));
  const count = fraction === 0 ? 0 : Math.max(1, Math.floor(fraction * places.length + 0.5));
  const order = [...places.keys()].sort((a, b) => (numbers[a] as number) - (numbers[b] as number) || a - b);
  for (const word of order.slice(0, count)) parts[places[word] as number] = mask;
  return parts.join('');
}

/** {@link maskWords} under a seed of the stream, from which it takes two numbers. */
export function corruptText(text: string, fraction: number, random: Random, mask: string = DEFAULT_MASK): string {
  return maskWords(text, fraction, drawSplitMixSeed(random), mask);
}

/** Every word masked. A text without words becomes a single mask, so that an encoder has a token to read. */
export function maskedText(text: string, mask: string = DEFAULT_MASK): string {
  const { parts, places } = splitWords(text);
  if (places.length === 0) return mask;
  for (const place of places) parts[place] = mask;
  return parts.join('');
}
