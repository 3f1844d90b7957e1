import { flattenTree, unflattenTree, type HostTree, type Random } from '@drf/tensor';
import { initializeWeights } from '../weights/weight.js';
import type { BertConfig } from './config.js';
import { bertWeights, type BertParts } from './weights.js';

/**
 * Fresh parameters of a text encoder: maps and tables normal with the configuration's deviation, biases and the row of
 * padding 0, scales 1. A pooler only when asked for.
 */
export function initializeBert(random: Random, config: BertConfig, parts: BertParts = {}): HostTree {
  const leaves = flattenTree(initializeWeights(random, bertWeights(config, parts), config.initializerRange));
  const padded = ['embeddings.word', ...(config.family === 'roberta' ? ['embeddings.position'] : [])];
  for (const name of padded) {
    const table = leaves.get(name)?.data as Float32Array;
    table.fill(0, config.paddingId * config.hiddenSize, (config.paddingId + 1) * config.hiddenSize);
  }
  return unflattenTree(leaves);
}
