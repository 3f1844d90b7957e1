import type { HostTree, Random } from '@drf/tensor';
import { initializeWeights } from '../weights/weight.js';
import type { VitConfig } from './config.js';
import { vitWeights, type VitParts } from './weights.js';

/**
 * Fresh parameters of a vision transformer: maps, tokens and positions normal with the configuration's deviation,
 * biases 0, scales 1. A pooler only when asked for.
 */
export function initializeVit(random: Random, config: VitConfig, parts: VitParts = {}): HostTree {
  return initializeWeights(random, vitWeights(config, parts), config.initializerRange);
}
