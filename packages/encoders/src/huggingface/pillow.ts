import { RecentMap, type RgbImage } from '@drf/tensor';

/** A resampling filter: a weight by the distance from the center, 0 from `support` on. */
interface ResamplingFilter {
  readonly support: number;
  weight(distance: number): number;
}

function sinc(x: number): number {
  return x === 0 ? 1 : Math.sin(Math.PI * x) / (Math.PI * x);
}

/** The cubic of Keys (1981) with a = −½. */
function cubic(distance: number): number {
  const x = Math.abs(distance);
  if (x < 1) return (1.5 * x - 2.5) * x * x + 1;
  return x < 2 ? ((-0.5 * x + 2.5) * x - 4) * x + 2 : 0;
}

function hamming(distance: number): number {
  const x = Math.abs(distance);
  return x < 1 ? sinc(x) * (0.54 + 0.46 * Math.cos(Math.PI * x)) : 0;
}

/** Pillow's filters by their numbers there, which `preprocessor_config.json` has as `resample`; 0 is the nearest pixel. */
export const PILLOW_FILTERS: Readonly<Record<number, ResamplingFilter>> = {
  1: { support: 3, weight: (x) => (Math.abs(x) < 3 ? sinc(x) * sinc(x / 3) : 0) }, // Lanczos
  2: { support: 1, weight: (x) => Math.max(0, 1 - Math.abs(x)) }, // bilinear
  3: { support: 2, weight: cubic },
  4: { support: 0.5, weight: (x) => (x > -0.5 && x <= 0.5 ? 1 : 0) }, // box
  5: { support: 1, weight: hamming },
};
export const NEAREST = 0;

/** Which input pixels an output pixel is made of, and their weights in units of 2⁻²². */
interface Taps {
  readonly first: Int32Array;
  /** Of each output, a multiple of four where there are so many inputs; weights of 0 fill it up. */
  readonly count: Int32Array;
  /** [outputs, most] */
  readonly weights: Int32Array;
  readonly most: number;
}

/** Sums of bytes times weights stay below 2³¹: weights of one pixel add up to 1, their absolute values to less than 2. */
const UNIT = 2 ** 22;
const HALF = 2 ** 21;

/** Pixels of one axis, from the first to the one before `end`. */
export interface Span {
  readonly start: number;
  readonly end: number;
}

/**
 * Weights of the outputs of one axis that are wanted. When shrinking, the filter is as wide as the input pixels that become
 * one.
 */
function makeTaps(inputs: number, outputs: number, wanted: Span, { support, weight }: ResamplingFilter): Taps {
  const scale = inputs / outputs;
  const width = Math.max(scale, 1);
  const reach = support * width;
  const most = Math.ceil(reach) * 2 + 4;
  const size = wanted.end - wanted.start;
  const first = new Int32Array(size);
  const count = new Int32Array(size);
  const weights = new Int32Array(size * most);
  for (let output = 0; output < size; output++) {
    const center = (wanted.start + output + 0.5) * scale;
    const start = Math.max(0, Math.trunc(center - reach + 0.5));
    const end = Math.min(inputs, Math.trunc(center + reach + 0.5));
    const each = Array.from({ length: end - start }, (_, i) => weight((start + i - center + 0.5) / width));
    const sum = each.reduce((total, one) => total + one, 0);
    count[output] = Math.min(inputs, Math.ceil(each.length / 4) * 4);
    first[output] = Math.min(start, inputs - (count[output] as number));
    const place = output * most + start - (first[output] as number);
    each.forEach((one, i) => {
      const part = (sum === 0 ? one : one / sum) * UNIT;
      weights[place + i] = Math.trunc(part + (part < 0 ? -0.5 : 0.5));
    });
  }
  return { first, count, weights, most };
}

/** Sizes of images whose weights are kept: most images of a data set have one of few, or all the same. */
const kept = new RecentMap<string, Taps>(32);

/** {@link makeTaps}, of the sizes that were asked for last once. */
function taps(inputs: number, outputs: number, wanted: Span, resample: number): Taps {
  const key = [inputs, outputs, wanted.start, wanted.end, resample].join();
  const known = kept.get(key) ?? makeTaps(inputs, outputs, wanted, PILLOW_FILTERS[resample] as ResamplingFilter);
  kept.set(key, known);
  return known;
}

/** The inputs that the outputs are made of, all together. */
function inputsOf({ first, count }: Taps): Span {
  const ends = first.map((start, i) => start + (count[i] as number));
  return { start: Math.min(...first), end: Math.max(...ends) };
}

/** A sum as a byte. */
function toByte(sum: number): number {
  const value = sum >> 22;
  return value < 0 ? 0 : value > 255 ? 255 : value;
}

type FourWeights = [number, number, number, number];

/**
 * Adds four pixels in a row of each line, times their weights, to the line's sums of red, green and blue. Written out, which
 * takes a third of the time of loops over pixels and colors.
 */
function addFour(
  sums: Int32Array,
  data: Uint8Array,
  first: number,
  pixel: number,
  line: number,
  a: number,
  b: number,
  c: number,
  d: number,
): void {
  for (let i = 0, from = first; i < sums.length; i += 3, from += line) {
    const second = from + pixel;
    const third = second + pixel;
    const fourth = third + pixel;
    sums[i] =
      ((sums[i] as number) +
        Math.imul(a, data[from] as number) +
        Math.imul(b, data[second] as number) +
        Math.imul(c, data[third] as number) +
        Math.imul(d, data[fourth] as number)) |
      0;
    sums[i + 1] =
      ((sums[i + 1] as number) +
        Math.imul(a, data[from + 1] as number) +
        Math.imul(b, data[second + 1] as number) +
        Math.imul(c, data[third + 1] as number) +
        Math.imul(d, data[fourth + 1] as number)) |
      0;
    sums[i + 2] =
      ((sums[i + 2] as number) +
        Math.imul(a, data[from + 2] as number) +
        Math.imul(b, data[second + 2] as number) +
        Math.imul(c, data[third + 2] as number) +
        Math.imul(d, data[fourth + 2] as number)) |
      0;
  }
}

/**
 * Scales one axis. Only the lines along it that are wanted are computed, and the others stay 0: [height, width, 3] →
 * [height, outputs, 3] for rows, [outputs, width, 3] for columns.
 */
function scaleLines(
  { width, height, data }: RgbImage,
  along: 'rows' | 'columns',
  { first, count, weights, most }: Taps,
  wanted: Span,
): RgbImage {
  const isRow = along === 'rows';
  const outputs = first.length;
  const result = isRow ? { width: outputs, height } : { width, height: outputs };
  const pixels = new Uint8Array(result.width * result.height * 3);
  /** How far the pixels of a line, and lines, lie from each other. */
  const [pixel, line] = isRow ? [3, width * 3] : [width * 3, 3];
  const [toPixel, toLine] = isRow ? [3, outputs * 3] : [width * 3, 3];
  const sums = new Int32Array((wanted.end - wanted.start) * 3);
  for (let output = 0; output < outputs; output++) {
    sums.fill(HALF);
    const all = count[output] as number;
    const from = wanted.start * line + (first[output] as number) * pixel;
    for (let tap = 0; tap < all; tap += 4) {
      const four = output * most + tap; // beyond the end of an image of fewer pixels, there is nothing, times 0
      const [a, b, c, d] = [weights[four], weights[four + 1], weights[four + 2], weights[four + 3]] as FourWeights;
      addFour(sums, data, from + tap * pixel, pixel, line, a, b, c, d);
    }
    let to = wanted.start * toLine + output * toPixel;
    for (let i = 0; i < sums.length; i += 3, to += toLine) {
      pixels[to] = toByte(sums[i] as number);
      pixels[to + 1] = toByte(sums[i + 1] as number);
      pixels[to + 2] = toByte(sums[i + 2] as number);
    }
  }
  return { ...result, data: pixels };
}

/** The input pixel of each output pixel, by a position that is added up in double precision, as Pillow adds it up. */
function nearestPlaces(inputs: number, outputs: number): Int32Array {
  const scale = inputs / outputs;
  let position = scale / 2;
  return Int32Array.from({ length: outputs }, () => {
    const place = Math.min(inputs - 1, Math.trunc(position));
    position += scale;
    return place;
  });
}

function nearestPixels({ width, height, data }: RgbImage, columns: number, rows: number): RgbImage {
  const fromColumns = nearestPlaces(width, columns);
  const fromRows = nearestPlaces(height, rows);
  const result = new Uint8Array(rows * columns * 3);
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      const from = ((fromRows[row] as number) * width + (fromColumns[column] as number)) * 3;
      result.set(data.subarray(from, from + 3), (row * columns + column) * 3);
    }
  }
  return { width: columns, height: rows, data: result };
}

/**
 * Whether columns come first, which Pillow 13 does where that saves much. Up to Pillow 11 rows always come first: where
 * the two differ, bytes do by 1 (bilinear), seldom by up to 7 (bicubic at edges of full contrast).
 */
function columnsFirst(image: RgbImage, width: number, height: number): boolean {
  return image.height - height > 2 * Math.max(0, image.width - width);
}

/** A part of an image: columns and rows. */
export interface Region {
  readonly columns: Span;
  readonly rows: Span;
}

/** A region of an image as an image. */
function cut(image: RgbImage, { columns, rows }: Region): RgbImage {
  const [width, height] = [columns.end - columns.start, rows.end - rows.start];
  if (width === image.width && height === image.height) return image;
  const data = new Uint8Array(width * height * 3);
  for (let row = 0; row < height; row++) {
    const from = ((rows.start + row) * image.width + columns.start) * 3;
    data.set(image.data.subarray(from, from + width * 3), row * width * 3);
  }
  return { width, height, data };
}

/**
 * Scales an image without keeping its aspect, to the bytes that Pillow's `Image.resize` gives: one axis after the
 * other, weights in units of 2⁻²², rounded to bytes after each. (libvips, below sharp, shrinks in other steps: single
 * pixels come out up to a hundred gray levels apart.)
 * @param resample number of the filter in Pillow: 0 nearest, 1 Lanczos, 2 bilinear, 3 bicubic, 4 box, 5 Hamming
 * @param region of the scaled image that is wanted; default all of it
 */
export function resizeAsPillow(
  image: RgbImage,
  width: number,
  height: number,
  resample: number,
  region: Region = { columns: { start: 0, end: width }, rows: { start: 0, end: height } },
): RgbImage {
  if (image.width === width && image.height === height) return cut(image, region);
  if (resample === NEAREST || PILLOW_FILTERS[resample] === undefined)
    return cut(nearestPixels(image, width, height), region);
  const across = image.width === width ? undefined : taps(image.width, width, region.columns, resample);
  const down = image.height === height ? undefined : taps(image.height, height, region.rows, resample);
  const scaleAcross = (given: RgbImage, rows: Span): RgbImage =>
    across === undefined ? cut(given, { columns: region.columns, rows: wholeOf(given.height) }) : scaleLines(given, 'rows', across, rows); // prettier-ignore
  const scaleDown = (given: RgbImage, columns: Span): RgbImage =>
    down === undefined ? cut(given, { columns: wholeOf(given.width), rows: region.rows }) : scaleLines(given, 'columns', down, columns); // prettier-ignore
  if (columnsFirst(image, width, height)) {
    const scaled = scaleDown(image, across === undefined ? region.columns : inputsOf(across));
    return scaleAcross(scaled, wholeOf(scaled.height));
  }
  const scaled = scaleAcross(image, down === undefined ? region.rows : inputsOf(down));
  return scaleDown(scaled, wholeOf(scaled.width));
}

function wholeOf(length: number): Span {
  return { start: 0, end: length };
}
