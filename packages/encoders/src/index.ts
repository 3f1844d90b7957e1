export { createEmbeddedImageEncoder, EMBEDDED_IMAGE_SIZE } from './embedded/image-encoder.js';
export { createEmbeddedTextEncoder } from './embedded/text-encoder.js';
