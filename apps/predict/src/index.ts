export { predictPosts, type PredictOptions } from './predict-posts.js';
