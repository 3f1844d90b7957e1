export { datasetWithMissingFile, makeTinyRun, tinyConfig, tinyWorld } from './tiny-world.js';
