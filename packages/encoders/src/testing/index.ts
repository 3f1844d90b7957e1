export { writeTinyBert, writeTinyVit } from './tiny-transformers.js';
export { gradientImage } from './images.js';
