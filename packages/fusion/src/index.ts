export { existingPairs, expandPairs, filledOriginalPair, select, type PostFeatures } from './pairs.js';
export {
  applyGate,
  equalWeights,
  initializeGate,
  logFilledWeight,
  logPairWeights,
  pairWeights,
  WEIGHTING_MODES,
  type GateParameters,
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
