export { tinyTrainableImage, tinyTrainableText } from './tiny-trainable.js';
export { plainTiff } from './tiff.js';
