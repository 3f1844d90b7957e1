import { createRandom, type RgbImage } from '@drf/tensor';

/** Smooth color gradients with noise, of any size. */
export function gradientImage(seed: string, width: number, height: number): RgbImage {
  const random = createRandom(seed);
  const slopes = [0, 1, 2].map(() => [random.uniform(-1, 1), random.uniform(-1, 1)] as const);
  const data = Uint8Array.from({ length: width * height * 3 }, (_, i) => {
    const place = Math.floor(i / 3);
    const [right, down] = slopes[i % 3] as readonly [number, number];
    const slope = right * ((place % width) / width) + down * (Math.floor(place / width) / height);
    return Math.min(255, Math.max(0, 128 + 100 * slope + random.uniform(-20, 20)));
  });
  return { width, height, data };
}

/** What is no image, for the contract of image encoders. */
export const UNUSABLE_IMAGES = [
  [null, /images\[1\] expected an RgbImage .* received null; decode the image to RGB without alpha/],
  [{ width: 2, height: 2, data: new Uint8Array(16) }, /images\[1\] .* received 2 × 2 with 16 bytes/],
  [{ width: 0, height: 2, data: new Uint8Array(0) }, /images\[1\] .* received 0 × 2 with 0 bytes/],
  [{ width: 1.5, height: 2, data: new Uint8Array(9) }, /images\[1\] .* received 1.5 × 2/],
] as const;

/** What is no text, for the contract of text encoders. */
export const UNUSABLE_TEXTS = [
  [null, /texts\[1\] expected a string, received null; leave posts without a text out/],
  [undefined, /texts\[1\] expected a string, received undefined/],
  [7, /texts\[1\] expected a string, received number/],
] as const;
