export { writeTinyBert, writeTinyVit } from './tiny-transformers.js';
