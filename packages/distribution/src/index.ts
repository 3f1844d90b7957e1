export { FeatureQueue, type FeatureQueueState } from './feature-queue.js';
export {
  admittedRows,
  distributionStatistics,
  enqueueThreshold,
  gaussianDensity,
  logPeakFactor,
  logRelativeDensity,
  safeNorm,
  safeSqrt,
  type DistributionStatistics,
  type EnqueueEvidence,
} from './statistics.js';
export { boundedExp, DEFAULT_EXPONENT_LIMIT, distributionConstraint } from './constraint.js';
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
export { GroupMoments, type GroupMomentsOptions, type WithinGroups } from './group-moments.js';
export {
  emptyStateDiscriminants,
  fitStateDiscriminants,
  type LinearDiscriminant,
  type StateDiscriminants,
  type StateMoments,
} from './linear-discriminant.js';
