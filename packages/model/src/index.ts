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
export {
  createGatedDrf,
  gatedForward,
  type GatedDrfConfig,
  type GatedDrfParameters,
  type GatedForward,
} from './gated-drf.js';
export {
  GatedMemory,
  type GatedMemoryInputs,
  type GatedMemoryOptions,
  type GatedObservations,
} from './gated-memory.js';
export { createDrf, drfLoss, type PublishedDrfName } from './drf.js';
export { FEATURE_NORMS, type FeatureNorm } from './projection.js';
export type { DrfLossParts } from './drf-losses.js';
export { drfForward, type DrfForward, type DrfParameters, type QueueStatistics } from './drf-forward.js';
export { DrfMemory, type DrfMemoryInputs, type DrfObservations } from './drf-memory.js';
export { balancedClassWeights, withClassWeights } from './class-weights.js';
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
export { clipGlobalNorm, globalNorm } from './clip.js';
export { joinParts, stepPart, type StepPart } from './accumulation.js';
export { isTrainedByDefault, learningRateGroup } from './trained.js';
export {
  withEncoders,
  type EncodedBatchInputs,
  type EncodedTokens,
  type StepEncoder,
  type StepEncoders,
} from './encoded-method.js';
export {
  createTrainingStep,
  initialTrainingState,
  stepSchedule,
  trainedBy,
  type LearningRates,
  type PredictionInputs,
  type PredictionOutputs,
  type StepInputs,
  type StepOptions,
  type TrainingInputs,
  type TrainingOutputs,
  type TrainingState,
} from './training-step.js';
export type { Checkpoint, ExpectedCheckpoint, TrainingPosition } from './checkpoint.js';
export { EMPTY_MEMORY } from './method.js';
export { type ScalingParameters } from './projection.js';
export { initializeProjections } from './projection.js';
export { postWeights } from './class-weights.js';
export { projectFeatures } from './projection.js';
export { scalingOf } from './projection.js';
