export * from './token-examples.js';
