export { train, type TrainOptions, type TrainResult, type TrainServices } from './train.js';
export { distributionNotes, shareRun } from './distributed.js';
export { type Distributed } from './ranks.js';
export { Trainer, type TrainerEvents, type TrainerOptions, type TrainerOutcome } from './trainer.js';
export {
  estimateText,
  estimateTraining,
  type EncodingEstimate,
  type EstimateOptions,
  type TrainingEstimate,
} from './estimate.js';
export { createDisplay, type Display } from './display.js';
export { openOwnData, ownConfig, ownExperiment, runName } from './own-data.js';
export { chooseExperiment, type ExperimentChoice } from './choose-experiment.js';
export { keepFreedMemory } from './allocator.js';
export { trainsAllFolds, type PresetName } from './presets.js';
export { EXPERIMENTS, loadExperiment, readExperiment } from './experiments.js';
export { dataWarnings, writeLedger } from './data-summary.js';
export { readFoldsConfig, trainFolds, type FoldsOptions, type FoldsResult } from './train-folds.js';
export { openTracker } from './tracking/open-tracker.js';
export type { TrackedOutcome, TrackedRun, Tracker } from './tracking/tracker.js';
export { trackEvaluation } from './tracking/track-training.js';
export { type Selected } from './selection.js';
