export { classificationReport, type CalibrationReport, type ClassificationReport } from './report.js';
export { confusionMatrix, type ConfusionMatrix } from './confusion.js';
export {
  accuracy,
  accuracyOf,
  classScores,
  macroF1,
  macroF1Of,
  METRICS,
  weightedF1,
  weightedF1Of,
  type PerClassScores,
  type MetricName,
} from './scores.js';
export {
  calibrationError,
  expectedCalibrationError,
  negativeLogLikelihood,
  reliabilityBins,
  type ReliabilityBin,
} from './calibration.js';
export { quantilesOf, shareBelow } from './quantiles.js';
export { auroc } from './auroc.js';
export {
  applyTemperature,
  fitTemperature,
  MINIMUM_POSTS,
  PRIOR_POSTS,
  type TemperatureBasis,
  type TemperatureFit,
} from './temperature.js';
export { pairedDifference, summarizeSeeds, type PairedDifference, type SeedSummary } from './over-seeds.js';
export { wilsonInterval } from './wilson.js';
export { pairedBootstrap, type BootstrapDifference, type BootstrapOptions, type Runs } from './bootstrap.js';
export {
  pairedGainBootstrap,
  pairedSeedBootstrap,
  type SeedBootstrapDifference,
  type SeedBootstrapOptions,
} from './seed-bootstrap.js';
export { holmAdjusted } from './holm.js';
export { mcnemarExact, type McNemarResult } from './mcnemar.js';
export { robustnessArea, type CurvePoint } from './curve.js';
export { argMax, type ClassIndices, type Probabilities } from './checks.js';
export { DEFAULT_CONFIDENCE, type Interval } from './interval.js';
