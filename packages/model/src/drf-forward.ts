import * as tf from '@tensorflow/tfjs';
import { applyConverter, type ConverterParameters } from '@drf/converters';
import {
  distributionStatistics,
  logPeakFactor,
  logRelativeDensity,
  type DistributionStatistics,
} from '@drf/distribution';
import {
  applyFusion,
  classify,
  equalWeights,
  existingPairs,
  expandPairs,
  filledOriginalPair,
  logPairWeights,
  pairWeights,
  select,
  weightedSum,
  type FusionParameters,
  type LogDensities,
  type PostFeatures,
} from '@drf/fusion';
import type { LinearParameters } from '@drf/layers';
import {
  named,
  type ClassScores,
  type Features,
  type Named,
  type PerPair,
  type PerPost,
  type QueueRows,
  type TensorTree,
} from '@drf/tensor';
import type { DrfConfig } from './drf-config.js';
import type { DrfMemoryInputs } from './drf-memory.js';
import type { BatchInputs } from './method.js';
import { projectFeatures } from './projection.js';

/** DRF's parameters; projections only where an encoder's width is not `dim`. */
export type DrfParameters = {
  readonly imageProjection?: LinearParameters;
  readonly textProjection?: LinearParameters;
  readonly imageToText: ConverterParameters;
  readonly textToImage: ConverterParameters;
  readonly fusion: FusionParameters;
  readonly classifier: LinearParameters;
};

/** μ, σ of both queues (Eq. 1, 2), read before the step changes anything. */
export type QueueStatistics = { readonly image: DistributionStatistics; readonly text: DistributionStatistics };

/** Every intermediate of the forward pass. */
export type DrfForward = {
  readonly features: PostFeatures;
  /** C_vt(Q_v) and C_tv(Q_t), [capacity, dim], when asked for. */
  readonly convertedQueues?: { readonly imageToText: QueueRows; readonly textToImage: QueueRows };
  readonly statistics: QueueStatistics;
  readonly densities: LogDensities;
  /** [batch, pair] */
  readonly weights: PerPair;
  /** F of each pair, [batch, pair, dim] */
  readonly fusedPairs: Named<['batch', 'pair', 'dim']>;
  /** M of Eq. 12, [batch, dim] */
  readonly fused: Features;
  readonly logits: ClassScores;
};

/** Steps 1 and 3 of DRF, and the densities of step 5: what pairs are made of. */
export type RecoveredBatch = Pick<DrfForward, 'features' | 'convertedQueues' | 'statistics' | 'densities'>;

/**
 * Features, their recovery, and each feature against the distribution of the modality that it stands for.
 * @param withQueues also convert the whole queues (for the distribution-based recovery loss); batch rows and queue
 *   rows then go through each converter in one pass
 */
export function recoverBatch(
  { featureNorm }: Pick<DrfConfig, 'featureNorm'>,
  tree: TensorTree,
  batch: BatchInputs,
  memory: DrfMemoryInputs,
  withQueues: boolean,
): RecoveredBatch {
  const parameters = tree as DrfParameters;
  const image = projectFeatures(tree, 'image', batch.image, batch.imageAvailable, featureNorm);
  const text = projectFeatures(tree, 'text', batch.text, batch.textAvailable, featureNorm);
  const toText = convert(parameters.imageToText, image, withQueues ? memory.imageQueue : undefined);
  const toImage = convert(parameters.textToImage, text, withQueues ? memory.textQueue : undefined);
  const features: PostFeatures = { image, text, recoveredText: toText.batch, recoveredImage: toImage.batch };
  const statistics = {
    image: distributionStatistics(memory.imageQueue, memory.imageRowWeights),
    text: distributionStatistics(memory.textQueue, memory.textRowWeights),
  };
  return {
    features,
    ...(toText.queue && toImage.queue
      ? { convertedQueues: { imageToText: toText.queue, textToImage: toImage.queue } }
      : {}),
    statistics,
    densities: logDensities(features, statistics),
  };
}

/**
 * Steps 1 and 3 to 6 of DRF: features, recovery, expansion, quality, fusion, logits.
 * @param withQueues see {@link recoverBatch}
 */
export function drfForward(
  config: DrfConfig,
  tree: TensorTree,
  batch: BatchInputs,
  memory: DrfMemoryInputs,
  withQueues: boolean,
): DrfForward {
  const parameters = tree as DrfParameters;
  const recovered = recoverBatch(config, tree, batch, memory, withQueues);
  const { pairs, weights } = weighPairs(config, recovered.features, recovered.densities, batch, memory);
  const fusedPairs = applyFusion(parameters.fusion, pairs);
  const fused = weightedSum(weights, fusedPairs);
  return { ...recovered, weights, fusedPairs, fused, logits: classify(parameters.classifier, fused) };
}

/** C over batch rows and queue rows in one pass. [batch, dim], [capacity, dim] */
function convert(
  parameters: ConverterParameters,
  batch: Features,
  queue: QueueRows | undefined,
): { batch: Features; queue?: QueueRows } {
  if (queue === undefined) return { batch: named(applyConverter(parameters, batch), ['batch', 'dim']) };
  const sizes = [batch.shape[0], queue.shape[0]];
  const converted = applyConverter(parameters, tf.concat([batch, queue], 0)); // [batch + capacity, dim]
  const [batchRows, queueRows] = tf.split(converted, sizes, 0) as [tf.Tensor, tf.Tensor];
  return { batch: named(batchRows, ['batch', 'dim']), queue: named(queueRows, ['capacity', 'dim']) };
}

/** Each feature against the distribution of the modality that it stands for. */
function logDensities(features: PostFeatures, statistics: QueueStatistics): LogDensities {
  return {
    image: logRelativeDensity(features.image, statistics.image),
    text: logRelativeDensity(features.text, statistics.text),
    recoveredText: logRelativeDensity(features.recoveredText, statistics.text),
    recoveredImage: logRelativeDensity(features.recoveredImage, statistics.image),
    imagePeak: logPeakFactor(statistics.image),
    textPeak: logPeakFactor(statistics.text),
  };
}

/** The three pairs of each post, or without pair expansion the one filled pair, and which of them exist. */
export function layOutPairs(
  features: PostFeatures,
  { imageAvailable, textAvailable }: BatchInputs,
  pairExpansion: boolean,
): { pairs: Named<['batch', 'pair', 'both']>; existing: PerPair } {
  if (pairExpansion) return { pairs: expandPairs(features), existing: existingPairs(imageAvailable, textAvailable) };
  return {
    pairs: filledOriginalPair(features, imageAvailable, textAvailable),
    existing: named(tf.expandDims(tf.maximum(imageAvailable, textAvailable), 1), ['batch', 'pair']),
  };
}

/** The pairs that the configuration asks for, and their weights; equal ones while the queues are not ready. */
function weighPairs(
  config: DrfConfig,
  features: PostFeatures,
  densities: LogDensities,
  batch: BatchInputs,
  memory: DrfMemoryInputs,
): { pairs: Named<['batch', 'pair', 'both']>; weights: PerPair } {
  const { imageAvailable, textAvailable } = batch;
  const { gaussianProbability, pairExpansion } = config.ablations;
  const { pairs, existing } = layOutPairs(features, batch, pairExpansion);
  const equal = equalWeights(existing);
  if (!gaussianProbability) return { pairs, weights: equal };
  const logWeights = pairExpansion
    ? logPairWeights(densities, config.weighting)
    : filledLogWeight(densities, imageAvailable, textAvailable, config);
  const byDensity = pairWeights(logWeights, existing, config.weighting);
  const weights = tf.where(tf.greater(tf.fill(byDensity.shape, 1), tf.sub(1, memory.ready)), byDensity, equal);
  return { pairs, weights: named(weights, ['batch', 'pair']) };
}

/** Log weight of the one filled pair: of the densities that its two features have. [batch, 1] */
function filledLogWeight(
  densities: LogDensities,
  imageAvailable: PerPost,
  textAvailable: PerPost,
  config: DrfConfig,
): PerPair {
  const image = named(select(imageAvailable, densities.image, densities.recoveredImage), ['batch']);
  const text = named(select(textAvailable, densities.text, densities.recoveredText), ['batch']);
  const filled = logPairWeights({ ...densities, image, text }, config.weighting);
  return named(tf.slice(filled, [0, 0], [-1, 1]), ['batch', 'pair']);
}
