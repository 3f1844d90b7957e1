import type { RgbImage } from '@drf/tensor';

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
function taps(inputs: number, outputs: number, wanted: Span, { support, weight }: ResamplingFilter): Taps {
  const scale = inputs / outputs;
  const width = Math.max(scale, 1);
  const reach = support * width;
  const most = Math.ceil(reach) * 2 + 1;
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
    each.forEach((one, i) => {
      const part = (sum === 0 ? one : one / sum) * UNIT;
      weights[output * most + i] = Math.trunc(part + (part < 0 ? -0.5 : 0.5));
    });
    first[output] = start;
    count[output] = end - start;
  }
  return { first, count, weights, most };
}

/** The inputs that the outputs are made of, all together. */
function inputsOf({ first, count }: Taps): Span {
  const ends = first.map((start, i) => start + (count[i] as number));
  return { start: Math.min(...first), end: Math.max(...ends) };
}

/** A sum of bytes times weights as a byte. */
function toByte(sum: number): number {
  const value = (sum + HALF) >> 22;
  return value < 0 ? 0 : value > 255 ? 255 : value;
}

/** [height, width, 3] → [height, outputs, 3]; only rows that are wanted are computed, and the others stay 0. */
function resizeRows({ width, height, data }: RgbImage, { first, count, weights, most }: Taps, wanted: Span): RgbImage {
  const outputs = first.length;
  const result = new Uint8Array(height * outputs * 3);
  for (let row = wanted.start; row < wanted.end; row++) {
    let to = row * outputs * 3;
    for (let output = 0; output < outputs; output++) {
      let red = 0;
      let green = 0;
      let blue = 0;
      let from = (row * width + (first[output] as number)) * 3;
      const end = output * most + (count[output] as number);
      for (let tap = output * most; tap < end; tap++) {
        const weight = weights[tap] as number;
        red = (red + Math.imul(weight, data[from++] as number)) | 0;
        green = (green + Math.imul(weight, data[from++] as number)) | 0;
        blue = (blue + Math.imul(weight, data[from++] as number)) | 0;
      }
      result[to++] = toByte(red);
      result[to++] = toByte(green);
      result[to++] = toByte(blue);
    }
  }
  return { width: outputs, height, data: result };
}

/** [height, width, 3] → [outputs, width, 3]; only columns that are wanted are computed, and the others stay 0. */
function resizeColumns({ width, data }: RgbImage, { first, count, weights, most }: Taps, wanted: Span): RgbImage {
  const outputs = first.length;
  const stride = width * 3;
  const [start, size] = [wanted.start * 3, (wanted.end - wanted.start) * 3];
  const result = new Uint8Array(outputs * stride);
  const sums = new Int32Array(size);
  for (let output = 0; output < outputs; output++) {
    sums.fill(HALF);
    for (let tap = 0; tap < (count[output] as number); tap++) {
      const weight = weights[output * most + tap] as number;
      const from = ((first[output] as number) + tap) * stride + start;
      for (let i = 0; i < size; i++) sums[i] = (sums[i] as number) + Math.imul(weight, data[from + i] as number);
    }
    const to = output * stride + start;
    for (let i = 0; i < size; i++) {
      const value = (sums[i] as number) >> 22;
      result[to + i] = value < 0 ? 0 : value > 255 ? 255 : value;
    }
  }
  return { width, height: outputs, data: result };
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
  const filter = PILLOW_FILTERS[resample];
  if (resample === NEAREST || filter === undefined) return cut(nearestPixels(image, width, height), region);
  const across = image.width === width ? undefined : taps(image.width, width, region.columns, filter);
  const down = image.height === height ? undefined : taps(image.height, height, region.rows, filter);
  const scaleAcross = (given: RgbImage, rows: Span): RgbImage =>
    across === undefined ? cut(given, { columns: region.columns, rows: wholeOf(given.height) }) : resizeRows(given, across, rows); // prettier-ignore
  const scaleDown = (given: RgbImage, columns: Span): RgbImage =>
    down === undefined ? cut(given, { columns: wholeOf(given.width), rows: region.rows }) : resizeColumns(given, down, columns); // prettier-ignore
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
