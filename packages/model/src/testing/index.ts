export * from './examples.js';
export * from './reference.js';
export * from './tiny-encoders.js';
