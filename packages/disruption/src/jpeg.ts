import type { RgbImage } from '@drf/tensor';
import { copyImage } from './corrupt.js';

/**
 * What a baseline JPEG file of a quality keeps of an image: compressed and decompressed, without the lossless part in
 * between (Huffman codes), so that it needs no codec, runs in browsers, and gives the same bytes everywhere.
 *
 * The integer algorithms of libjpeg 6b, which libjpeg-turbo keeps to the bit: color conversion in 16-bit fixed point,
 * chroma at half width and height, the accurate integer DCT (Loeffler, Ligtenberg, Moschytz, ICASSP 1989), the
 * quantization tables of ISO/IEC 10918-1 Annex K scaled by quality, triangle-filter upsampling. A test compares it with
 * sharp's codec, byte for byte.
 */

const BLOCK = 8;
const AREA = BLOCK * BLOCK;

const LUMINANCE = [
  16, 11, 10, 16, 24, 40, 51, 61, 12, 12, 14, 19, 26, 58, 60, 55, 14, 13, 16, 24, 40, 57, 69, 56, 14, 17, 22, 29, 51,
  87, 80, 62, 18, 22, 37, 56, 68, 109, 103, 77, 24, 35, 55, 64, 81, 104, 113, 92, 49, 64, 78, 87, 103, 121, 120, 101,
  72, 92, 95, 98, 112, 100, 103, 99,
];

const CHROMINANCE = [
  17,
  18,
  24,
  47,
  99,
  99,
  99,
  99,
  18,
  21,
  26,
  66,
  99,
  99,
  99,
  99,
  24,
  26,
  56,
  99,
  99,
  99,
  99,
  99,
  47,
  66,
  99,
  99,
  99,
  99,
  99,
  99,
  ...new Array<number>(32).fill(99),
];

/** A table of Annex K at a quality, as jpeg_set_quality scales it, cut to 1 … 255. */
function tableOf(base: readonly number[], quality: number): number[] {
  const scale = quality < 50 ? Math.floor(5000 / quality) : 200 - 2 * quality;
  return base.map((own) => Math.min(Math.max(Math.floor((own * scale + 50) / 100), 1), 255));
}

/** A channel, [height, width], row-major. */
interface Plane {
  readonly width: number;
  readonly height: number;
  readonly data: Int32Array;
}

const plane = (width: number, height: number): Plane => ({ width, height, data: new Int32Array(width * height) });

const fix = (value: number): number => Math.floor(value * 65536 + 0.5);

const [Y_RED, Y_GREEN, Y_BLUE] = [fix(0.299), fix(0.587), fix(0.114)] as const;
const [CB_RED, CB_GREEN, CR_GREEN, CR_BLUE] = [fix(0.16874), fix(0.33126), fix(0.41869), fix(0.08131)] as const; // prettier-ignore
const HALF = fix(0.5);
const [RED_CR, GREEN_CB, GREEN_CR, BLUE_CB] = [fix(1.402), fix(0.34414), fix(0.71414), fix(1.772)] as const;

/** @param quality from 1, coarse, to 100 @throws ShapeMismatchError when data and size disagree */
export function jpegRoundTrip(image: RgbImage, quality: number): RgbImage {
  const { width, height } = image;
  const [luma, blue, red] = toYcc(copyImage('jpeg', image));
  const coded = [
    coarsen(luma, tableOf(LUMINANCE, quality)),
    ...[blue, red].map((own) => upsample(coarsen(downsample(own), tableOf(CHROMINANCE, quality)), width, height)),
  ] as const;
  return toRgb(coded as readonly [Plane, Plane, Plane], width, height);
}

/** jccolor.c: R, G, B → Y, Cb, Cr. */
function toYcc({ width, height, data }: RgbImage): readonly [Plane, Plane, Plane] {
  const planes = [plane(width, height), plane(width, height), plane(width, height)] as const;
  const center = 128 * 65536 + HALF - 1;
  for (let i = 0; i < width * height; i++) {
    const [r, g, b] = [data[3 * i], data[3 * i + 1], data[3 * i + 2]] as [number, number, number];
    planes[0].data[i] = (Y_RED * r + Y_GREEN * g + Y_BLUE * b + HALF) >> 16;
    planes[1].data[i] = (-CB_RED * r - CB_GREEN * g + HALF * b + center) >> 16;
    planes[2].data[i] = (HALF * r - CR_GREEN * g - CR_BLUE * b + center) >> 16;
  }
  return planes;
}

/** jdcolor.c: Y, Cb, Cr → R, G, B. */
function toRgb([luma, blue, red]: readonly [Plane, Plane, Plane], width: number, height: number): RgbImage {
  const data = new Uint8Array(width * height * 3);
  const cut = (value: number): number => Math.min(Math.max(value, 0), 255);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const at = 3 * (y * width + x);
      const value = luma.data[y * luma.width + x] as number;
      const b = (blue.data[y * blue.width + x] as number) - 128;
      const r = (red.data[y * red.width + x] as number) - 128;
      data[at] = cut(value + ((RED_CR * r + HALF) >> 16));
      data[at + 1] = cut(value + ((-GREEN_CB * b - GREEN_CR * r + HALF) >> 16));
      data[at + 2] = cut(value + ((BLUE_CB * b + HALF) >> 16));
    }
  }
  return { width, height, data };
}

/** jcsample.c, h2v2 without smoothing: means of 2 × 2, rounded down and up in turn; borders repeat the last pixel. */
function downsample({ width, height, data }: Plane): Plane {
  // the block grid's padding to the right comes from repeated pixels of full size, as libjpeg's does
  const across = Math.ceil(width / (2 * BLOCK)) * BLOCK;
  const half = plane(across, Math.ceil(height / 2));
  for (let y = 0; y < half.height; y++) {
    const [upper, lower] = [2 * y * width, Math.min(2 * y + 1, height - 1) * width];
    for (let x = 0; x < across; x++) {
      const [left, right] = [Math.min(2 * x, width - 1), Math.min(2 * x + 1, width - 1)];
      const sum =
        (data[upper + left] as number) +
        (data[upper + right] as number) +
        (data[lower + left] as number) +
        (data[lower + right] as number);
      half.data[y * across + x] = (sum + 1 + (x & 1)) >> 2;
    }
  }
  return half;
}

/** Every block through DCT, quantization and back. @returns a plane of whole blocks */
function coarsen({ width, height, data }: Plane, table: readonly number[]): Plane {
  const whole = plane(Math.ceil(width / BLOCK) * BLOCK, Math.ceil(height / BLOCK) * BLOCK);
  const block = new Int32Array(AREA);
  for (let top = 0; top < whole.height; top += BLOCK) {
    for (let left = 0; left < whole.width; left += BLOCK) {
      for (let i = 0; i < AREA; i++) {
        const y = Math.min(top + (i >> 3), height - 1);
        const x = Math.min(left + (i & 7), width - 1);
        block[i] = (data[y * width + x] as number) - 128;
      }
      forwardDct(block);
      for (let i = 0; i < AREA; i++) {
        const step = (table[i] as number) * BLOCK; // the DCT scales up by 8
        const value = block[i] as number;
        const size = Math.floor((Math.abs(value) + (step >> 1)) / step);
        block[i] = (value < 0 ? -size : size) * (table[i] as number);
      }
      inverseDct(block);
      for (let i = 0; i < AREA; i++) {
        whole.data[(top + (i >> 3)) * whole.width + left + (i & 7)] = block[i] as number;
      }
    }
  }
  return whole;
}

/**
 * jdsample.c: chroma back to full size, by 3/4 of the nearer and 1/4 of the further sample along each axis; planes of at
 * most two columns by repetition, as there.
 */
function upsample(half: Plane, width: number, height: number): Plane {
  const [across, down] = [Math.ceil(width / 2), Math.ceil(height / 2)];
  const whole = plane(2 * across, 2 * down);
  const at = (y: number, x: number): number => half.data[y * half.width + x] as number;
  for (let y = 0; y < whole.height; y++) {
    const near = y >> 1;
    const far = Math.min(Math.max(near + (y % 2 === 0 ? -1 : 1), 0), down - 1);
    const sum = (x: number): number => 3 * at(near, x) + at(far, x);
    for (let x = 0; x < whole.width; x++) {
      const column = x >> 1;
      whole.data[y * whole.width + x] = across > 2 ? blended(sum, x, column, across) : at(near, column);
    }
  }
  return whole;
}

function blended(sum: (x: number) => number, x: number, column: number, across: number): number {
  const own = sum(column);
  if (x === 0) return (4 * own + 8) >> 4;
  if (x === 2 * across - 1) return (4 * own + 7) >> 4;
  return x % 2 === 0 ? (3 * own + sum(column - 1) + 8) >> 4 : (3 * own + sum(column + 1) + 7) >> 4;
}

const BITS = 13;
const PASS_BITS = 2;
const scaled = (value: number): number => Math.floor(value * 2 ** BITS + 0.5);

const F_0_298 = scaled(0.298631336);
const F_0_390 = scaled(0.390180644);
const F_0_541 = scaled(0.5411961);
const F_0_765 = scaled(0.765366865);
const F_0_899 = scaled(0.899976223);
const F_1_175 = scaled(1.175875602);
const F_1_501 = scaled(1.50132111);
const F_1_847 = scaled(1.847759065);
const F_1_961 = scaled(1.96157056);
const F_2_053 = scaled(2.053119869);
const F_2_562 = scaled(2.562915447);
const F_3_072 = scaled(3.072711026);

/** value / 2^bits, rounded to the nearest whole number, halves up. */
const descale = (value: number, bits: number): number => (value + (1 << (bits - 1))) >> bits;

/** jfdctint.c, in place; the result is 8 times the DCT. */
function forwardDct(block: Int32Array): void {
  for (let row = 0; row < AREA; row += BLOCK) forwardPass(block, row, 1, true);
  for (let column = 0; column < BLOCK; column++) forwardPass(block, column, BLOCK, false);
}

function forwardPass(block: Int32Array, start: number, step: number, isFirst: boolean): void {
  const at = (i: number): number => block[start + i * step] as number;
  const put = (i: number, value: number): void => void (block[start + i * step] = value);
  const bits = isFirst ? BITS - PASS_BITS : BITS + PASS_BITS;
  const [sum07, sum16, sum25, sum34] = [at(0) + at(7), at(1) + at(6), at(2) + at(5), at(3) + at(4)];
  const [d4, d5, d6, d7] = [at(3) - at(4), at(2) - at(5), at(1) - at(6), at(0) - at(7)];

  const [even0, even3, even1, even2] = [sum07 + sum34, sum07 - sum34, sum16 + sum25, sum16 - sum25];
  put(0, isFirst ? (even0 + even1) << PASS_BITS : descale(even0 + even1, PASS_BITS));
  put(4, isFirst ? (even0 - even1) << PASS_BITS : descale(even0 - even1, PASS_BITS));
  const turned = (even2 + even3) * F_0_541;
  put(2, descale(turned + even3 * F_0_765, bits));
  put(6, descale(turned - even2 * F_1_847, bits));

  const z5 = (d4 + d6 + d5 + d7) * F_1_175;
  const z1 = -(d4 + d7) * F_0_899;
  const z2 = -(d5 + d6) * F_2_562;
  const z3 = -(d4 + d6) * F_1_961 + z5;
  const z4 = -(d5 + d7) * F_0_390 + z5;
  put(7, descale(d4 * F_0_298 + z1 + z3, bits));
  put(5, descale(d5 * F_2_053 + z2 + z4, bits));
  put(3, descale(d6 * F_3_072 + z2 + z3, bits));
  put(1, descale(d7 * F_1_501 + z1 + z4, bits));
}

/** jidctint.c, in place, to samples from 0 to 255. */
function inverseDct(block: Int32Array): void {
  for (let column = 0; column < BLOCK; column++) inversePass(block, column, BLOCK, BITS - PASS_BITS);
  for (let row = 0; row < AREA; row += BLOCK) inversePass(block, row, 1, BITS + PASS_BITS + 3);
  for (let i = 0; i < AREA; i++) block[i] = Math.min(Math.max((block[i] as number) + 128, 0), 255);
}

function inversePass(block: Int32Array, start: number, step: number, bits: number): void {
  const at = (i: number): number => block[start + i * step] as number;
  const turned = (at(2) + at(6)) * F_0_541;
  const low = turned - at(6) * F_1_847;
  const high = turned + at(2) * F_0_765;
  const [sum, difference] = [(at(0) + at(4)) << BITS, (at(0) - at(4)) << BITS];
  const even = [sum + high, difference + low, difference - low, sum - high] as const;

  const [o0, o1, o2, o3] = [at(7), at(5), at(3), at(1)];
  const z5 = (o0 + o2 + o1 + o3) * F_1_175;
  const z1 = -(o0 + o3) * F_0_899;
  const z2 = -(o1 + o2) * F_2_562;
  const z3 = -(o0 + o2) * F_1_961 + z5;
  const z4 = -(o1 + o3) * F_0_390 + z5;
  const odd = [o3 * F_1_501 + z1 + z4, o2 * F_3_072 + z2 + z3, o1 * F_2_053 + z2 + z4, o0 * F_0_298 + z1 + z3] as const;
  for (let i = 0; i < 4; i++) {
    block[start + i * step] = descale((even[i] as number) + (odd[i] as number), bits);
    block[start + (7 - i) * step] = descale((even[i] as number) - (odd[i] as number), bits);
  }
}
