export { experimentSchema, type DatasetConfig, type ExperimentConfig, type ExperimentInput } from './schema.js';
export { defineExperiment, parseExperiment } from './parse.js';
export { addConfigFlags, mergeConfig, overridesFrom } from './flags.js';
export {
  openExperimentData,
  openExperimentDataset,
  reopenSplits,
  SPLIT_NAMES,
  type ExperimentData,
  type SplitName,
} from './data.js';
export {
  openTrainedEncoders,
  startSession,
  type FrozenSession,
  type RecordedEncoders,
  type Session,
  type SessionConfig,
  type SessionOptions,
} from './session.js';
export { encodeRecords, type EncodedRecords, type EncodeOptions } from './encode-records.js';
export {
  areFeatures,
  gatherBatch,
  memoryRows,
  selectPosts,
  type FeatureRows,
  type FeatureSet,
  type GatheredBatch,
  type PostSet,
} from './feature-set.js';
export { withDropoutSeeds } from './dropout-seeds.js';
export type { ContentBatch, ContentRows } from './content-rows.js';
export { standIn, type Content } from './planned-record.js';
export { withInitialFeatures } from './initial-features.js';
export {
  encodeCorrupted,
  Simulation,
  simulationOptions,
  type CorruptedRows,
  type SimulationOptions,
} from './simulation.js';
export { tokenInputs, tokenRows, type TokenRows } from './token-rows.js';
export { measureFeatures, measureTokens, type MeasurableSet } from './feature-moments.js';
export {
  createEncodedMethod,
  createMethod,
  methodNeeds,
  methodShapes,
  trainedEncoders,
  trainsEncoders,
} from './method.js';
export { measureClassWeights } from './class-weights.js';
export { measureExperimentGraphs } from './measure-graphs.js';
export { Predictor, predictWith, type Predictions, type PredictOptions, type TrainingProgram } from './predictor.js';
export { assertCalibration, readCalibration, writeCalibration, type Calibration } from './calibration/calibration.js';
export { measureCalibration, type CalibrationSources } from './calibration/measure-calibration.js';
export { Judge, type Judged } from './judge/judge.js';
export { qualityOf, type Quality } from './judge/quality.js';
export { assertEncoders } from './assert-encoders.js';
export { headOf, openRun, type OpenedRun } from './open-run.js';
export { readVersions, type Versions } from './versions.js';
export { RunFolder, type BestCheckpoint, type MetricRow, type RunDescription } from './run-folder.js';
export { trainingReport, writeTrainingReport } from './report/training-report.js';
export { lineChartFigure, renderLineChart, type Line, type LineChart } from './report/chart.js';
export { escapeHtml, htmlPage, htmlTable } from './report/html.js';
