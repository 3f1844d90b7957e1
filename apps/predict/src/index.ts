export { createPredictProgram } from './program.js';
export { predictPosts, type PredictOptions } from './predict-posts.js';
