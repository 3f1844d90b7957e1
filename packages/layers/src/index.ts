export * from './activation.js';
export * from './attention.js';
export * from './dropout.js';
export * from './embedding.js';
export * from './linear.js';
export * from './lora.js';
export * from './norm.js';
export * from './transformer.js';
