export {
  existingPairs,
  expandPairs,
  filledOriginalPair,
  PAIRS,
  select,
  type PairName,
  type PostFeatures,
} from './pairs.js';
export {
  equalWeights,
  logFilledWeight,
  logPairWeights,
  pairWeights,
  WEIGHTING_MODES,
  type LogDensities,
  type WeightingMode,
} from './weights.js';
export {
  applyFusion,
  classify,
  initializeFusion,
  pairCrossEntropy,
  weightedSum,
  type FusionParameters,
} from './network.js';
export { applyGate, initializeGate, type GateParameters } from './gate.js';
