export { POOLINGS, type Pooling } from './contract.js';
export { isOwnName } from './own-encoder.js';
