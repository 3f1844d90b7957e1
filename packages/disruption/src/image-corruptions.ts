import type { RgbImage } from '@drf/tensor';
import { copyImage } from './corrupt.js';
import { jpegRoundTrip } from './jpeg.js';
import { graded, type Corruption } from './severity.js';
import { fillUint32, type SplitMixSeed } from './split-mix.js';

// All of it is integer arithmetic, or IEEE 754 additions, products, quotients and square roots in a fixed order, which
// give the same numbers everywhere. Side and radius constants are meant for images of about 224 × 224, the size that
// experiments disrupt at.

const clampByte = (value: number): number => (value < 0 ? 0 : value > 255 ? 255 : value);

/** Deviates of a nearly normal distribution (Irwin–Hall), each the sum of 12 bytes less their mean. */
const DEVIATE_WORDS = 3;
const DEVIATE_MEAN = 12 * 127.5;
/** Standard deviation of such a sum, √(12 · (256² − 1) / 12) = 255.998, taken for 256. */
const DEVIATE_SCALE = 256;

/** One deviate a value, whose standard deviation is {@link DEVIATE_SCALE}. */
function deviates(seed: SplitMixSeed, count: number): Int16Array {
  const words = fillUint32(seed, new Uint32Array(count * DEVIATE_WORDS));
  return Int16Array.from({ length: count }, (_, i) => {
    let sum = -DEVIATE_MEAN;
    for (let word = i * DEVIATE_WORDS; word < (i + 1) * DEVIATE_WORDS; word++) {
      const bits = words[word] as number;
      sum += (bits & 255) + ((bits >>> 8) & 255) + ((bits >>> 16) & 255) + (bits >>> 24);
    }
    return sum;
  });
}

const DEVIATE_RULE =
  'where D of value i (row-major, channels innermost, from 0) is the sum of the 12 bytes of numbers 3i, 3i + 1 and ' +
  "3i + 2, less 1530, and the numbers are the outputs of SplitMix64 from the row's seed, each split into two 32-bit " +
  'numbers, the lower half first';

/** @param percent standard deviation as a percentage of {@link DEVIATE_SCALE}: 1 is 2.56 */
function gaussianNoise(image: RgbImage, percent: number, seed: SplitMixSeed): RgbImage {
  const noisy = copyImage('gaussian_noise', image);
  const noise = deviates(seed, noisy.data.length);
  for (let i = 0; i < noise.length; i++) {
    const shift = Math.floor((percent * (noise[i] as number) + 50) / 100);
    noisy.data[i] = clampByte((noisy.data[i] as number) + shift);
  }
  return noisy;
}

/** @param percent of the values, each channel on its own */
function saltAndPepper(image: RgbImage, percent: number, seed: SplitMixSeed): RgbImage {
  const noisy = copyImage('salt_and_pepper', image);
  const numbers = fillUint32(seed, new Uint32Array(noisy.data.length));
  const threshold = Math.floor((percent * 0x100000000) / 100);
  for (let i = 0; i < numbers.length; i++) {
    const number = numbers[i] as number;
    if (number < threshold) noisy.data[i] = 255 * (number & 1);
  }
  return noisy;
}

/**
 * Weights of a binomial kernel, whose variance is σ² when it has 4σ² + 1 taps, as whole numbers of 16 bits: C(n, k) of the
 * recurrence in double precision, scaled and rounded; the middle one first.
 */
function binomialWeights(sigma: number): number[] {
  const trials = 4 * sigma * sigma;
  let weight = 65536;
  for (let i = 0; i < trials; i++) weight /= 2;
  const all = [weight];
  for (let k = 0; k < trials; k++) all.push((weight = (weight * (trials - k)) / (k + 1)));
  return all.slice(trials / 2).map((own) => Math.floor(own + 0.5)).filter((own) => own > 0); // prettier-ignore
}

function gaussianBlur(image: RgbImage, sigma: number): RgbImage {
  const blurred = copyImage('gaussian_blur', image);
  const { width, height } = image;
  const weights = Float64Array.from(binomialWeights(sigma));
  const along = filtered(Float64Array.from(image.data), weights, width, height, 3, 3 * width);
  const both = filtered(along, weights, height, width, 3 * width, 3);
  const total = 2 * weights.reduce((sum, own) => sum + own, 0) - (weights[0] as number);
  const [scale, half] = [total * total, Math.floor((total * total) / 2)];
  for (let i = 0; i < both.length; i++) blurred.data[i] = Math.floor(((both[i] as number) + half) / scale);
  return blurred;
}

/**
 * Sums of neighbors along lines of `length` places that lie `step` values apart, of which there are `lines`, `stride`
 * values apart; three channels each. Whole numbers below 2⁵³ stay exact.
 * @param weights the middle one first
 */
function filtered(
  values: Float64Array,
  weights: Float64Array,
  length: number,
  lines: number,
  step: number,
  stride: number,
): Float64Array {
  const sums = new Float64Array(values.length);
  for (let line = 0; line < lines; line++) {
    for (let channel = 0; channel < 3; channel++) {
      const start = line * stride + channel;
      for (let place = 0; place < length; place++) {
        let sum = (weights[0] as number) * (values[start + place * step] as number);
        for (let away = 1; away < weights.length; away++) {
          const before = values[start + Math.max(place - away, 0) * step] as number;
          const after = values[start + Math.min(place + away, length - 1) * step] as number;
          sum += (weights[away] as number) * (before + after);
        }
        sums[start + place * step] = sum;
      }
    }
  }
  return sums;
}

/** @param percent of each side */
function occlusion(image: RgbImage, percent: number, seed: SplitMixSeed): RgbImage {
  const covered = copyImage('occlusion', image);
  const { width, height } = image;
  const [across = 0, down = 0] = fillUint32(seed, new Uint32Array(2));
  const sideOf = (side: number): number => Math.max(1, Math.floor((side * percent + 50) / 100));
  const startOf = (side: number, number: number): number =>
    Math.floor((number * (side - sideOf(side) + 1)) / 0x100000000);
  const [left, top] = [startOf(width, across), startOf(height, down)];
  for (let y = top; y < top + sideOf(height); y++) {
    covered.data.fill(0, 3 * (y * width + left), 3 * (y * width + left + sideOf(width)));
  }
  return covered;
}

/** Of low light: how bright white stays, and what photons and the sensor add. */
interface Darkness {
  /** Of white, in percent of the range. */
  readonly brightness: number;
  /** Photons that white stands for. */
  readonly photons: number;
  /** Standard deviation of the sensor's noise, in thousandths of the range. */
  readonly read: number;
}

/**
 * Value v becomes brightness · (v/255)², with noise of variance value / photons + read². The deviation is one of a table
 * of 256, so that equal values meet equal noise.
 */
function lowLight(image: RgbImage, { brightness, photons, read }: Darkness, seed: SplitMixSeed): RgbImage {
  const dark = copyImage('low_light', image);
  const noise = deviates(seed, dark.data.length);
  const values = Array.from({ length: 256 }, (_, v) => (brightness * v * v) / (100 * 255 * 255)); // 0 … 1
  const scales = values.map((value) => 255 * Math.sqrt(value / photons + (read / 1000) * (read / 1000)));
  for (let i = 0; i < noise.length; i++) {
    const clean = dark.data[i] as number;
    const shift = ((scales[clean] as number) * (noise[i] as number)) / DEVIATE_SCALE;
    dark.data[i] = clampByte(Math.floor(255 * (values[clean] as number) + shift + 0.5));
  }
  return dark;
}

/**
 * Corruptions of images. Severities of noise, blur and JPEG are those of ImageNet-C (Hendrycks and Dietterich,
 * "Benchmarking neural network robustness to common corruptions and perturbations", ICLR 2019; its
 * `make_imagenet_c.py`), those of low light are those of 3D Common Corruptions (Kar et al., CVPR 2022), whose Poisson
 * noise is taken for normal noise of the same variance and whose stretch to the image's own range is left out. An
 * occlusion covers about 10 to 50 % of the area by one black rectangle (after Cutout and random erasing, which name no
 * severities).
 */
export const IMAGE_CORRUPTIONS = {
  gaussian_noise: graded(
    [8, 12, 18, 26, 38],
    gaussianNoise,
    'each value v becomes v + floor((level * D + 50) / 100), noise of standard deviation 2.56 * level, cut to 0 … 255, ' +
      DEVIATE_RULE,
  ),
  salt_and_pepper: graded(
    [3, 6, 9, 17, 27],
    saltAndPepper,
    'value i (row-major, channels innermost, from 0) becomes 255 where number i is odd and 0 where it is even, if number ' +
      'i < floor(level * 2^32 / 100), where the numbers are the outputs of SplitMix64 from the seed of the row, each ' +
      'split into two 32-bit numbers, the lower half first',
  ),
  gaussian_blur: graded(
    [1, 2, 3, 4, 6],
    gaussianBlur,
    'each channel is filtered along rows, then along columns, with the weights floor(2^16 * C(n, k) / 2^n + 0.5) of ' +
      'n = 4 * level^2, computed in double precision by w(0) = 2^16 / 2^n, w(k + 1) = w(k) * (n - k) / (k + 1); borders ' +
      'repeat the outermost pixel; value = floor((sum + floor(s^2 / 2)) / s^2), where s is the sum of the weights',
  ),
  jpeg: graded(
    [25, 18, 15, 10, 7],
    jpegRoundTrip,
    'the image is compressed to baseline JPEG of quality level with chroma subsampled 2 × 2, and decompressed, by the ' +
      'integer algorithms of libjpeg 6b (jccolor, jcsample h2v2 without smoothing, jfdctint, jcquant tables of Annex K, ' +
      'jidctint, jdsample fancy upsampling, jdcolor)',
  ),
  occlusion: graded(
    [32, 45, 55, 63, 71],
    occlusion,
    'a rectangle becomes black, of max(1, floor((side * level + 50) / 100)) pixels along each side of the image, whose ' +
      'left and top are floor(number * (side - length + 1) / 2^32), of number 0 and number 1, the two halves of the first ' +
      'output of SplitMix64 from the seed of the row, the lower half first',
  ),
  low_light: graded<RgbImage, Darkness>(
    [
      { brightness: 60, photons: 600, read: 8 },
      { brightness: 50, photons: 250, read: 12 },
      { brightness: 40, photons: 120, read: 18 },
      { brightness: 30, photons: 50, read: 26 },
      { brightness: 20, photons: 30, read: 38 },
    ],
    lowLight,
    'each value v becomes floor(255 * d + s * D / 256 + 0.5), cut to 0 … 255, with d = brightness * v * v / (100 * 255 * ' +
      `255), s = 255 * sqrt(d / photons + (read / 1000) * (read / 1000)) in double precision, ${DEVIATE_RULE}`,
  ),
} as const satisfies Record<string, Corruption<RgbImage>>;
