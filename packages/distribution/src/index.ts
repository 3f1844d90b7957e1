export { FeatureQueue, type FeatureQueueState } from './feature-queue.js';
export { safeNorm, safeSqrt } from './norm.js';
export {
  distributionStatistics,
  gaussianDensity,
  logPeakFactor,
  logRelativeDensity,
  type DistributionStatistics,
} from './statistics.js';
export { boundedExp, DEFAULT_EXPONENT_LIMIT, distributionConstraint, type ConstraintMeans } from './constraint.js';
export { acceptedRows, type EnqueueEvidence } from './enqueue-rule.js';
export { fitLowRankGaussian, type LowRankGaussian } from './low-rank-gaussian.js';
export {
  gaussianDistances,
  logDistances,
  logLowRankDensity,
  QUALITY_STATISTICS,
  qualityStatistics,
  type GaussianDistances,
  type StatisticMoments,
} from './quality-statistics.js';
export { distanceMoments } from './distance-moments.js';
export { QualityModel, type FittedQuality, type QualityModelOptions } from './quality-model.js';
