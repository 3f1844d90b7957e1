export { experimentSchema, type DatasetConfig, type ExperimentConfig, type ExperimentInput } from './schema.js';
export { defineExperiment, parseExperiment } from './parse.js';
export { addConfigFlags, mergeConfig, overridesFrom } from './flags.js';
export { createMethod } from './method.js';
export { readVersions, type Versions } from './versions.js';
export { RunFolder, type BestCheckpoint, type MetricRow, type RunDescription } from './run-folder.js';
export { gatherBatch, memoryRows, type FeatureRows, type FeatureSet } from './feature-set.js';
export { Predictor, type Predictions } from './predictor.js';
