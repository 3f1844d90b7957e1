export { predictPosts, type PredictOptions, type PredictResult } from './predict-posts.js';
export { predictOne } from './one-post.js';
export type { PredictionRow, RejectedRow } from './prediction-row.js';
