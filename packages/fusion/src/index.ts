export { PAIRS, type PairName } from './pair-names.js';
export { existingPairs, expandPairs, filledOriginalPair, select, type PostFeatures } from './pairs.js';
export {
  equalWeights,
  logPairWeights,
  pairWeights,
  WEIGHTING_MODES,
  type LogDensities,
  type WeightingMode,
} from './weights.js';
export { applyFusion, classify, initializeFusion, weightedSum, type FusionParameters } from './network.js';
export { applyGate, initializeGate, type GateParameters } from './gate.js';
export { pairCrossEntropy } from './pair-loss.js';
