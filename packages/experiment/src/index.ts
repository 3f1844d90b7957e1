export {
  experimentSchema,
  METHOD_NAMES,
  type DatasetConfig,
  type ExperimentConfig,
  type ExperimentInput,
  type MethodName,
} from './schema.js';
export { comparedOptions } from './compared-options.js';
export { defineExperiment, parseExperiment } from './parse.js';
export { parseForMethod, type ExperimentFile, type MethodOptions } from './by-method.js';
export { addConfigFlags, mergeConfig, overridesFrom, takeOwnModules } from './flags.js';
export { openExperimentData, openExperimentDataset, reopenSplits, splitShares, type ExperimentData } from './data.js';
export { splitNameOf, SPLIT_NAMES, type SplitName } from './split-names.js';
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
  isFeatureSet,
  memoryRows,
  selectPosts,
  type ContentDisruptions,
  type FeatureRows,
  type FeatureSet,
  type GatheredBatch,
  type ModalityRows,
  type PostSet,
} from './feature-set.js';
export { withDropoutSeeds } from './dropout-seeds.js';
export type { ContentBatch, ContentRows } from './content-rows.js';
export { standIn, type Content, type DrawnDisruption } from './planned-record.js';
export { withInitialFeatures } from './initial-features.js';
export {
  encodeSimulated,
  SIMULATED_SHARE,
  Simulation,
  simulationOptions,
  type SimulatedRows,
  type SimulationOptions,
} from './simulation.js';
export { tokenInputs, tokenRows, type TokenRows } from './token-rows.js';
export { measureFeatures, measureTokens, type MeasurableSet } from './feature-moments.js';
export {
  createEncodedMethod,
  createMethod,
  departuresFromLetter,
  drfForm,
  methodNeeds,
  methodShapes,
  trainedEncoders,
  trainsEncoders,
  type DrfForm,
} from './method.js';
export { measureClassWeights } from './class-weights.js';
export { measureExperimentGraphs } from './measure-graphs.js';
export { Predictor, predictWith, type Predictions, type PredictOptions } from './predictor.js';
export {
  assertCalibration,
  CALIBRATION_FORMAT,
  describeCalibration,
  readCalibration,
  writeCalibration,
  type Calibration,
  type QualityBasis,
  type QualityDistributions,
} from './calibration/calibration.js';
export { readSeenPosts, writeSeenPosts, type SeenPosts } from './seen-posts.js';
export { accuracyText } from './report/accuracy-text.js';
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
