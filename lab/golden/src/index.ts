export { compareAll, relativeError, TOLERANCES, type Comparison } from './compare.js';
export { computeQuantities } from './compute.js';
export { readGoldenFile, type GoldenFile } from './golden-file.js';
