import { ShapeMismatchError, type Random, type RgbImage } from '@drf/tensor';
import { assertFraction } from './fraction.js';
import { drawSplitMixSeed, fillUint32, type SplitMixSeed } from './split-mix.js';

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
  const { width, height } = image;
  const pixels = width * height;
  if (image.data.length !== pixels * 3) {
    throw new ShapeMismatchError({
      subject: 'blackenPixels',
      expected: `[${height}, ${width}, 3] = ${pixels * 3} bytes`,
      received: `${image.data.length} bytes`,
      remedy: 'decode the image to 8-bit RGB without an alpha channel',
    });
  }
  const data = new Uint8Array(image.data); // a copy, of a Buffer too, whose slice() would be a view
  const numbers = fillUint32(seed, new Uint32Array(pixels));
  const threshold = fraction * 0x100000000; // a float64: exact, and 2³² itself when the fraction is 1
  for (let pixel = 0, offset = 0; pixel < pixels; pixel++, offset += 3) {
    if ((numbers[pixel] as number) < threshold) {
      data[offset] = 0;
      data[offset + 1] = 0;
      data[offset + 2] = 0;
    }
  }
  return { width, height, data };
}

/** {@link blackenPixels} under a seed of the stream, from which it takes two numbers. */
export function corruptImage(image: RgbImage, fraction: number, random: Random): RgbImage {
  return blackenPixels(image, fraction, drawSplitMixSeed(random));
}
