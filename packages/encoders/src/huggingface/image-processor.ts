import { hostTensor, type HostTensor, type RgbImage } from '@drf/tensor';
import type { ImageProcessorConfig, ResizeTarget } from './image-processor-config.js';
import { resizeAsPillow } from './pillow-resize.js';

/** The size that an image is scaled to; a longer side is cut to whole pixels, as in transformers. */
function targetSize({ width, height }: RgbImage, target: ResizeTarget): { width: number; height: number } {
  if (!('shortestEdge' in target)) return target;
  const { shortestEdge } = target;
  const longer = Math.trunc((shortestEdge * Math.max(width, height)) / Math.min(width, height));
  return width <= height ? { width: shortestEdge, height: longer } : { width: longer, height: shortestEdge };
}

/** The middle of an image; black is added around one that is smaller. */
function cropCenter(image: RgbImage, width: number, height: number): RgbImage {
  const data = new Uint8Array(width * height * 3);
  const top = Math.floor((image.height - height) / 2);
  const left = Math.floor((image.width - width) / 2);
  const firstColumn = Math.max(0, left);
  const columns = Math.min(image.width, left + width) - firstColumn;
  for (let row = Math.max(0, top); row < Math.min(image.height, top + height); row++) {
    const from = (row * image.width + firstColumn) * 3;
    data.set(image.data.subarray(from, from + columns * 3), ((row - top) * width + firstColumn - left) * 3);
  }
  return { width, height, data };
}

/** The image as its processor scales and crops it, in bytes. */
export function fitImage({ resize, crop }: ImageProcessorConfig, image: RgbImage): RgbImage {
  let fitted = image;
  if (resize !== undefined) {
    const { width, height } = targetSize(image, resize.size);
    fitted = resizeAsPillow(image, width, height, resize.resample);
  }
  return crop === undefined ? fitted : cropCenter(fitted, crop.width, crop.height);
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

/** Turns an image into pixels [height, width, 3]. */
export type ImageProcessor = (image: RgbImage) => {
  readonly width: number;
  readonly height: number;
  readonly pixels: Float32Array;
};

/**
 * A processor of images by a model's own `preprocessor_config.json`: resize, center crop, rescale, normalize. Bytes and
 * values are those of transformers' processors on Pillow.
 */
export function createImageProcessor(config: ImageProcessorConfig): ImageProcessor {
  const values = byteValues(config);
  return (image) => {
    const { width, height, data } = fitImage(config, image);
    const pixels = new Float32Array(data.length);
    for (let i = 0; i < data.length; i++) pixels[i] = (values[i % 3] as Float32Array)[data[i] as number] as number;
    return { width, height, pixels };
  };
}

/** Images that a processor made as the first rows of a tensor [rows, height, width, 3]; the others are zero. */
export function stackPixels(images: readonly Float32Array[], rows: number, width: number, height: number): HostTensor {
  const perImage = width * height * 3;
  const pixels = new Float32Array(rows * perImage);
  images.forEach((image, i) => pixels.set(image, i * perImage));
  return hostTensor(pixels, [rows, height, width, 3]);
}
