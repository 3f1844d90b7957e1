export { FeatureQueue, type FeatureQueueState } from './feature-queue.js';
export { safeNorm, safeSqrt, stopGradient } from './norm.js';
export {
  distributionStatistics,
  gaussianDensity,
  logPeakFactor,
  logRelativeDensity,
  type DistributionStatistics,
} from './statistics.js';
export { boundedExp, DEFAULT_EXPONENT_LIMIT, distributionConstraint, type ConstraintMeans } from './constraint.js';
export { acceptedRows, type EnqueueEvidence } from './enqueue-rule.js';
