import type { RawImage } from '@huggingface/transformers';
import type { RgbImage } from '@drf/tensor';
import { resizeImage, type ResizeKernel } from '../images.js';
import type { Library } from './library.js';

/** Kernels by the numbers of Pillow's filters, which is how preprocessor_config.json says them. */
const KERNELS: Readonly<Record<string, ResizeKernel>> = {
  0: 'nearest',
  1: 'lanczos3',
  2: 'linear',
  3: 'cubic',
  4: 'linear', // box and Hamming: the nearest that there is, as in the library
  5: 'linear',
};

/**
 * An image for the library's preprocessing that scales itself as Pillow does, with a filter that widens when
 * shrinking. The library's own way aliases, and darkens the edges of images that it enlarges.
 */
export function scalableImage(library: Library, image: RgbImage): RawImage {
  const result = new library.RawImage(image.data, image.width, image.height, 3);
  result.resize = async (width, height, { resample = 2 } = {}) => {
    const kernel = KERNELS[String(resample)] ?? 'linear';
    return scalableImage(library, await resizeImage(image, Math.round(width), Math.round(height), kernel));
  };
  return result;
}
