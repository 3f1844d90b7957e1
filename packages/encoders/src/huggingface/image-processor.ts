import { ConfigurationError, type RgbImage } from '@drf/tensor';
import { NEAREST, PILLOW_FILTERS, resizeAsPillow, type Span } from './pillow.js';

/** Both sides, or the shorter one alone (the other follows the image's aspect). */
type ResizeTarget = { readonly height: number; readonly width: number } | { readonly shortestEdge: number };

/** What a `preprocessor_config.json` says to do with an image, in this order. */
export interface ImageProcessorConfig {
  readonly resize?: { readonly size: ResizeTarget; readonly resample: number };
  readonly crop?: { readonly height: number; readonly width: number };
  /** Factor of the bytes; undefined: they stay 0 to 255. */
  readonly rescale?: number;
  readonly normalize?: { readonly mean: readonly number[]; readonly std: readonly number[] };
}

type Defaults = Readonly<Record<string, unknown>>;

const HALVES = { image_mean: [0.5, 0.5, 0.5], image_std: [0.5, 0.5, 0.5] };
const CLIP = { image_mean: [0.48145466, 0.4578275, 0.40821073], image_std: [0.26862954, 0.26130258, 0.27577711] };
const ALWAYS = { do_resize: true, do_rescale: true, rescale_factor: 1 / 255, do_normalize: true };

/** Values that transformers takes where a file has none, by the kind of processor. */
const DEFAULTS: Readonly<Record<string, Defaults>> = {
  ViT: { ...ALWAYS, ...HALVES, size: { height: 224, width: 224 }, resample: 2, do_center_crop: false },
  DeiT: { ...ALWAYS, ...HALVES, size: { height: 256, width: 256 }, resample: 3, do_center_crop: true },
  Bit: { ...ALWAYS, ...CLIP, size: { shortest_edge: 224 }, resample: 3, do_center_crop: true },
  CLIP: { ...ALWAYS, ...CLIP, size: { shortest_edge: 224 }, resample: 3, do_center_crop: true },
  Siglip: { ...ALWAYS, ...HALVES, size: { height: 224, width: 224 }, resample: 3, do_center_crop: false },
};
const DEFAULT_CROP = { height: 224, width: 224 };
/** Kinds for which a single number means both sides, not the shorter one. */
const SQUARE_BY_NUMBER = ['ViT', 'DeiT', 'Siglip'];
/** What follows the kind in a processor's name. */
const SUFFIX = /(ImageProcessor|FeatureExtractor)(Fast|Pil)?$/;

const MAXIMUM_SIDE = 4096;

class Reader {
  constructor(
    private readonly values: Defaults,
    private readonly subject: string,
  ) {}

  fail(key: string, expected: string, received: unknown = this.values[key]): ConfigurationError {
    return new ConfigurationError({
      subject: this.subject,
      expected: `"${key}": ${expected}`,
      received: JSON.stringify(received) ?? 'nothing',
      remedy: 'use the file that came with the model',
    });
  }

  flag(key: string): boolean {
    const value = this.values[key];
    if (typeof value !== 'boolean') throw this.fail(key, 'true or false');
    return value;
  }

  number(key: string): number {
    const value = this.values[key];
    if (typeof value !== 'number' || !Number.isFinite(value)) throw this.fail(key, 'a number');
    return value;
  }

  side(key: string, value: unknown): number {
    const fits = Number.isInteger(value) && (value as number) > 0 && (value as number) <= MAXIMUM_SIDE;
    if (!fits) throw this.fail(key, `sides from 1 to ${MAXIMUM_SIDE} pixels`);
    return value as number;
  }

  /** A number stands for a square, as in older files. */
  rectangle(key: string, value: unknown = this.values[key]): { height: number; width: number } {
    const { height, width } = typeof value === 'object' && value !== null ? (value as Defaults) : both(value);
    return { height: this.side(key, height), width: this.side(key, width) };
  }

  channels(key: string, isValid: (value: number) => boolean = () => true): readonly number[] {
    const value = this.values[key];
    const list = typeof value === 'number' ? [value, value, value] : value;
    const fits =
      Array.isArray(list) && list.length === 3 && list.every((each) => Number.isFinite(each) && isValid(each));
    if (!fits) throw this.fail(key, 'three numbers, one a color');
    return list as number[];
  }

  target(squareByNumber: boolean): ResizeTarget {
    const size = this.values['size'];
    const edge = typeof size === 'number' && !squareByNumber ? size : (size as Defaults | undefined)?.['shortest_edge'];
    if (edge !== undefined) {
      if ((size as Defaults)['longest_edge'] !== undefined) throw this.fail('size', 'no "longest_edge" beside it');
      return { shortestEdge: this.side('size', edge) };
    }
    return this.rectangle('size');
  }
}

function both(value: unknown): Defaults {
  return { height: value, width: value };
}

function kindOf(json: Defaults, subject: string): string {
  const type = json['image_processor_type'] ?? json['feature_extractor_type'];
  const kind = typeof type === 'string' && SUFFIX.test(type) ? type.replace(SUFFIX, '') : '';
  if (Object.hasOwn(DEFAULTS, kind)) return kind;
  throw new ConfigurationError({
    subject,
    expected: `"image_processor_type": ${Object.keys(DEFAULTS)
      .map((name) => `${name}ImageProcessor`)
      .join(', ')}`,
    received: JSON.stringify(type) ?? 'nothing',
    remedy: 'choose a model with one of these preprocessings, or run it by "transformers:<hub id or folder>"',
  });
}

/**
 * Reads a `preprocessor_config.json` of the kinds ViT, DeiT, BiT, CLIP and SigLIP. What the file leaves out is as in
 * transformers' processor of that kind.
 * @param json the parsed file
 * @param subject the file's name, for errors
 * @throws ConfigurationError for another kind of processor, and for values that cannot be meant, naming the key
 */
export function parseImageProcessor(json: unknown, subject: string): ImageProcessorConfig {
  const file = (typeof json === 'object' && json !== null ? json : {}) as Defaults;
  const kind = kindOf(file, subject);
  const given = Object.fromEntries(Object.entries(file).filter(([, value]) => value !== null));
  const reader = new Reader({ crop_size: DEFAULT_CROP, ...DEFAULTS[kind], ...given }, subject);
  return {
    ...(reader.flag('do_resize')
      ? { resize: { size: reader.target(SQUARE_BY_NUMBER.includes(kind)), resample: resample(reader) } }
      : {}),
    ...(reader.flag('do_center_crop') ? { crop: reader.rectangle('crop_size') } : {}),
    ...(reader.flag('do_rescale') ? { rescale: reader.number('rescale_factor') } : {}),
    ...(reader.flag('do_normalize')
      ? { normalize: { mean: reader.channels('image_mean'), std: reader.channels('image_std', (std) => std !== 0) } }
      : {}),
  };
}

function resample(reader: Reader): number {
  const number = reader.number('resample');
  if (number !== NEAREST && PILLOW_FILTERS[number] === undefined) {
    throw reader.fail('resample', "the number of one of Pillow's filters, 0 to 5");
  }
  return number;
}

/** The size of every image after this preprocessing; undefined where it depends on the image. */
export function fittedSize({
  resize,
  crop,
}: ImageProcessorConfig): { readonly height: number; readonly width: number } | undefined {
  if (crop !== undefined) return crop;
  return resize === undefined || 'shortestEdge' in resize.size ? undefined : resize.size;
}

/**
 * The same processing with images of another size at its end; what is scaled before it is cropped keeps its proportion to
 * the crop. Of a processing whose images all have one size.
 */
export function resizedProcessor(config: ImageProcessorConfig, side: number): ImageProcessorConfig {
  const { resize, crop } = config;
  const square = { height: side, width: side };
  if (crop === undefined)
    return { ...config, ...(resize === undefined ? {} : { resize: { ...resize, size: square } }) };
  const scaled = (length: number, of: number): number => Math.max(side, Math.round((length * side) / of));
  const sizeOf = ({ size }: NonNullable<typeof resize>): ResizeTarget =>
    'shortestEdge' in size
      ? { shortestEdge: scaled(size.shortestEdge, Math.min(crop.height, crop.width)) }
      : { height: scaled(size.height, crop.height), width: scaled(size.width, crop.width) };
  return { ...config, crop: square, ...(resize === undefined ? {} : { resize: { ...resize, size: sizeOf(resize) } }) };
}

/** The size that an image is scaled to; a longer side is cut to whole pixels, as in transformers. */
function targetSize({ width, height }: RgbImage, target: ResizeTarget): { width: number; height: number } {
  if (!('shortestEdge' in target)) return target;
  const { shortestEdge } = target;
  const longer = Math.trunc((shortestEdge * Math.max(width, height)) / Math.min(width, height));
  return width <= height ? { width: shortestEdge, height: longer } : { width: longer, height: shortestEdge };
}

/** The middle of an axis, and how far in front of it the wanted pixels begin where there are not enough of them. */
function middle(length: number, wanted: number): Span & { readonly before: number } {
  const first = Math.floor((length - wanted) / 2);
  return { start: Math.max(0, first), end: Math.min(length, first + wanted), before: Math.max(0, -first) };
}

/** The image as its processor scales and crops it, in bytes; black is added around one that is smaller than the crop. */
export function fitImage({ resize, crop }: ImageProcessorConfig, image: RgbImage): RgbImage {
  const scaled = resize === undefined ? image : targetSize(image, resize.size);
  const { width, height } = crop ?? scaled;
  const [columns, rows] = [middle(scaled.width, width), middle(scaled.height, height)];
  const part = resizeAsPillow(image, scaled.width, scaled.height, resize?.resample ?? NEAREST, { columns, rows });
  if (part.width === width && part.height === height) return part;
  const data = new Uint8Array(width * height * 3);
  for (let row = 0; row < part.height; row++) {
    const from = row * part.width * 3;
    data.set(part.data.subarray(from, from + part.width * 3), ((row + rows.before) * width + columns.before) * 3);
  }
  return { width, height, data };
}

/** The value of each byte in each channel, in float32 steps as numpy takes them: [channel][byte]. */
function byteValues({ rescale, normalize }: ImageProcessorConfig): Float32Array[] {
  return [0, 1, 2].map((channel) =>
    Float32Array.from({ length: 256 }, (_, byte) => {
      const scaled = Math.fround(byte * (rescale ?? 1));
      if (normalize === undefined) return scaled;
      const centered = Math.fround(scaled - Math.fround(normalize.mean[channel] as number));
      return centered / Math.fround(normalize.std[channel] as number);
    }),
  );
}

/** Turns an image into pixels [height, width, 3], as long as the array that it writes them to has room. */
export type ImageProcessor = (image: RgbImage, pixels: Float32Array) => void;

/**
 * A processor of images by a model's own `preprocessor_config.json`: resize, center crop, rescale, normalize. Bytes and
 * values are those of transformers' processors on Pillow.
 */
export function createImageProcessor(config: ImageProcessorConfig): ImageProcessor {
  const [reds, greens, blues] = byteValues(config) as [Float32Array, Float32Array, Float32Array];
  return (image, pixels) => {
    const { data } = fitImage(config, image);
    for (let i = 0; i < data.length; i += 3) {
      pixels[i] = reds[data[i] as number] as number;
      pixels[i + 1] = greens[data[i + 1] as number] as number;
      pixels[i + 2] = blues[data[i + 2] as number] as number;
    }
  };
}
