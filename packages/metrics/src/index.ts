export { classificationReport, type CalibrationReport, type ClassificationReport } from './report.js';
export {
  accuracy,
  classScores,
  confusionMatrix,
  macroF1,
  weightedF1,
  type ConfusionMatrix,
  type MetricName,
  type PerClassScores,
} from './scores.js';
export {
  expectedCalibrationError,
  negativeLogLikelihood,
  reliabilityBins,
  type ReliabilityBin,
} from './calibration.js';
export { quantilesOf, shareBelow } from './quantiles.js';
export { auroc, robustnessArea, type CurvePoint } from './curves.js';
export {
  applyTemperature,
  fitTemperature,
  MINIMUM_POSTS,
  type TemperatureBasis,
  type TemperatureFit,
} from './temperature.js';
export { pairedDifference, summarizeSeeds, type PairedDifference, type SeedSummary } from './over-seeds.js';
export { wilsonInterval, type Interval } from './interval.js';
export {
  pairedBootstrap,
  pairedGainBootstrap,
  pairedSeedBootstrap,
  type BootstrapDifference,
  type BootstrapOptions,
  type Runs,
  type SeedBootstrapDifference,
  type SeedBootstrapOptions,
} from './bootstrap.js';
export { holmAdjusted, mcnemarExact, mcnemarPValue, type McNemarResult } from './significance.js';
export { argMax, type ClassIndices, type Probabilities } from './checks.js';
