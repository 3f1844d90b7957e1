export type {
  BatchInputs,
  FeatureMoments,
  LossResult,
  Memory,
  Method,
  MethodNeeds,
  MethodShapes,
  Prediction,
  TokenInputs,
  TokenShape,
} from './method.js';
export { drfConfig, type DrfAblations, type DrfConfig, type DrfLossScales } from './drf-config.js';
export { createDrf, drfLoss, type DrfLossParts } from './drf.js';
export { drfForward, type DrfForward, type DrfParameters, type QueueStatistics } from './drf-forward.js';
export { DrfMemory, type DrfMemoryInputs, type DrfObservations } from './drf-memory.js';
export { createConcatenation } from './concatenation.js';
export {
  ADAMW_DEFAULTS,
  adamW,
  biasCorrections,
  initialMoments,
  type AdamWMoments,
  type AdamWOptions,
  type AdamWSchedule,
} from './adamw.js';
export { cosineLearningRate } from './schedule.js';
export { valueAndGradients } from './gradients.js';
export {
  createTrainingStep,
  initialTrainingState,
  isTrained,
  learningRateGroup,
  stepSchedule,
  type LearningRates,
  type TrainingInputs,
  type TrainingOutputs,
  type TrainingState,
} from './training-step.js';
export { loadCheckpoint, saveCheckpoint, type Checkpoint, type TrainingPosition } from './checkpoint.js';
