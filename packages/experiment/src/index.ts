export {
  experimentSchema,
  METHOD_NAMES,
  UNIMODAL_NAMES,
  optionsOfEffect,
  type DatasetConfig,
  type Effect,
  type ExperimentConfig,
  type ExperimentInput,
  type MethodName,
} from './schema.js';
export { comparedOptions } from './compared-options.js';
export { defineExperiment, parseExperiment, parseForMethod, type ExperimentFile, type MethodOptions } from './parse.js';
export { configOption, valueOfOption, type ConfigOption } from './config-option.js';
export { addConfigFlags, configFlags, mergeConfig, overridesFrom } from './flags.js';
export {
  openExperimentData,
  openExperimentDataset,
  reopenSplits,
  splitExperimentData,
  splitNameOf,
  splitShares,
  type ExperimentData,
} from './data.js';
export {
  assertEncoders,
  isUpper,
  openTrainedEncoders,
  releaseFrozenLayers,
  startSession,
  withCachedStates,
  type FrozenSession,
  type RecordedEncoders,
  type Session,
  type SessionConfig,
  type SessionOptions,
  type StateOptions,
} from './session.js';
export {
  openEmbedder,
  type EmbeddedPart,
  type Embedder,
  type FeatureName,
  type PostFeatures,
} from './embed/embedder.js';
export { embedPosts, type EmbeddedPost, type EmbedOptions } from './embed/embed-posts.js';
export { surveyEncoding, type EncodedView, type EncodingNeed } from './encoding-survey.js';
export {
  encodeRecords,
  type EncodedOutput,
  type EncodedRecords,
  type EncodeOptions,
  type EncodingJob,
} from './encode-records.js';
export {
  areFeatures,
  gatherBatch,
  isFeatureSet,
  memoryRows,
  selectPosts,
  withDropoutSeeds,
  type ContentDisruptions,
  type FeatureRows,
  type FeatureSet,
  type GatheredBatch,
  type ModalityRows,
  type PostSet,
  type TokenRows,
} from './feature-set.js';
export { type ContentBatch, type ContentRows } from './content-rows.js';
export { standIn, type Content, type DrawnDisruption } from './planned-record.js';
export { measureExperimentGraphs, withInitialFeatures } from './initial-features.js';
export {
  encodeSimulated,
  SIMULATED_SHARE,
  Simulation,
  simulatedVersions,
  simulationOptions,
  type SimulatedRows,
  type SimulationOptions,
} from './simulation.js';
export { tokenInputs, tokenRows } from './token-rows.js';
export { measureFeatures, measureTokens, type MeasurableSet } from './feature-moments.js';
export {
  countClasses,
  createEncodedMethod,
  createMethod,
  DISCRIMINANT_SHARE,
  discriminantShare,
  departuresFromLetter,
  drfForm,
  measureClassWeights,
  methodNeeds,
  methodShapes,
  trainedEncoders,
  trainsEncoders,
  type TrainedModalities,
  type DrfForm,
} from './method.js';
export { judgedAtOnce, Predictor, predictWith, type Predictions, type PredictOptions } from './predictor.js';
export { exampleCount, writeExamples, type ExamplePost, type RunExamples } from './examples.js';
export { readCalibration, writeCalibration } from './calibration/calibration-file.js';
export {
  accuracyText,
  linkEvaluations,
  trainingReport,
  writeTrainingReport,
  type TrainingFacts,
} from './report/training-report.js';
export { lossWords, termsIn, type Term } from './report/terms.js';
export {
  answerSentences,
  answersOf,
  answerWarnings,
  cellWords,
  changeSentences,
  contestSentences,
  FEW_POSTS,
  lossSentences,
  standingSentences,
  type Answers,
  type Change,
  type ClassAnswers,
  type Contest,
} from './report/words.js';
export {
  measureCalibration,
  postsCalibrationJudges,
  type CalibrationCase,
  type CalibrationSources,
} from './calibration/measure-calibration.js';
export { Judge, type Judged, type Quality } from './judge/judge.js';
export { headOf, notesOnRun, openRun, type OpenedRun } from './open-run.js';
export {
  barChart,
  figure,
  intervalChart,
  lineChart,
  scatterChart,
  type Chart,
  type Point,
  type Series,
} from './report/chart.js';

export {
  folded,
  htmlPage,
  htmlTable,
  legend,
  linkTo,
  paragraph,
  reportLinks,
  reportPage,
  type ReportLink,
  type ReportSection,
  type TableData,
} from './report/html.js';
export {
  readVersions,
  RunFolder,
  type BestCheckpoint,
  type MetricRow,
  type RunDescription,
  type Versions,
} from './run-folder.js';
export {
  MODEL_CARD_FILE,
  modelCard,
  readModelCardFacts,
  writeModelCard,
  type ModelCardFacts,
} from './model-card/model-card.js';
export { fitRunDiscriminants, type DiscriminantSources } from './fit-discriminants.js';
