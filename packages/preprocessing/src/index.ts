export {
  decodeImage,
  DEFAULT_IMAGE_DECODING,
  IMAGE_DECODER_VERSION,
  ImageError,
  readImageHeader,
  type ImageDecoding,
  type ImageFault,
  type ImageFit,
  type ImageHeader,
} from './image-decoder.js';
export {
  describeOtherKind,
  IMAGE_FORMATS,
  looksWhole,
  sniffImageFormat,
  SNIFFED_BYTES,
  type ImageFormat,
} from './image-format.js';
export { assertImage, resizeImage, unitPixels, type ResizeKernel } from './images.js';
export { openDrawing } from './sharp.js';
export { encodePng, encodeSmall, type SmallImageOptions } from './small-image.js';
