/*
 * DRF as published, formula by formula: Wu, Yang, Zhou, Ma, "Robust Multimodal Sentiment Analysis of Image-Text Pairs by
 * Distribution-Based Feature Recovery and Fusion" (ACM MM 2024). The functions below follow the paper's order.
 *
 *   paper               here
 *   x = (v, t, λᵛ, λᵗ)  BatchInputs: batch.image.features, batch.image.available, and the same of batch.text
 *   fᵛ, fᵗ              features.image, features.text           [batch, dim]
 *   Q_v, Q_t; L         memory.image.rows, memory.text.rows     [capacity, dim]
 *   μ, σ                statistics.image, statistics.text       [dim] and []
 *   C_vt, C_tv          parameters imageToText, textToImage     [.., dim] → [.., dim]
 *   C(fᵛ), C(fᵗ)        features.recovered.text, .image         [batch, dim]
 *   p                   densities, as logarithms                [batch]
 *   F, M                parameters fusion; fused                [batch, dim]
 *   W, b                parameters classifier
 */
import * as tf from '@tensorflow/tfjs';
import {
  applyConverter,
  distributionRecoveryLoss,
  initializeConverter,
  sampleRecoveryLoss,
  type ConverterParameters,
} from '@drf/converters';
import {
  admittedRows,
  distributionConstraint,
  distributionStatistics,
  enqueueThreshold,
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
  initializeFusion,
  logFilledWeight,
  logPairWeights,
  pairWeights,
  weightedSum,
  type FusionParameters,
  type LogDensities,
  type PostFeatures,
} from '@drf/fusion';
import { crossEntropy, initializeLinear, type LinearParameters } from '@drf/layers';
import {
  byModality,
  named,
  type ByModality,
  type ClassScores,
  type Features,
  type Host,
  type Named,
  type PerPair,
  type PerPost,
  type QueueRows,
  type Random,
  type Scalar,
} from '@drf/tensor';
import type { DrfConfig } from './drf-config.js';
import { DrfMemory, type DrfMemoryInputs, type DrfObservations } from './drf-memory.js';
import {
  postWeights,
  predictionOf,
  type BatchInputs,
  type ClassWeighted,
  type LossResult,
  type Method,
  type MethodShapes,
  type Prediction,
} from './method.js';
import { initializeProjections, projectFeatures, type ProjectionParameters } from './projection.js';

/** DRF's parameters; projections only where an encoder's width is not `dim`. */
export type DrfParameters = ProjectionParameters &
  ClassWeighted & {
    readonly trained: {
      readonly imageToText: ConverterParameters;
      readonly textToImage: ConverterParameters;
      readonly fusion: FusionParameters;
      readonly classifier: LinearParameters;
    };
  };

/** What the published form of DRF may be called: to the letter, or with departures from it. */
export type PublishedDrfName = 'drf-paper' | 'drf-adapted';

/**
 * DRF as published: distribution-based feature recovery and fusion. `createGatedDrf` has what measured better.
 * With `drfConfig`'s defaults it is the paper to the letter, but for a bounded exponent in Eq. 3 and for what the paper
 * leaves open (docs/departures.md). Options depart from it: other weighting modes (`WEIGHTING_MODES`), a constant target
 * in Eq. 4, features of unit norm, scales of the losses, ablations.
 * @param id its name in checkpoints and reports
 */
export function createDrf(
  config: DrfConfig,
  shapes: MethodShapes,
  id: PublishedDrfName = 'drf-paper',
): Method<DrfParameters, DrfMemoryInputs, DrfObservations> {
  return {
    id,
    initialParameters: (random) => initialDrfParameters(config, shapes, random),
    createMemory: () => new DrfMemory({ capacity: config.queueCapacity, dim: config.dim }),
    predict: (parameters, batch, memory) => toPrediction(drfForward(config, parameters, batch, memory, false)),
    loss: (parameters, batch, labels, memory) => drfLoss(config, parameters, batch, labels, memory),
  };
}

/** What any form of DRF learns. */
export function initialDrfParameters(config: DrfConfig, shapes: MethodShapes, random: Random): Host<DrfParameters> {
  const { dim, converterHidden, fusionHidden, fusionLayers } = config;
  const { trained, ...scalings } = initializeProjections(random, shapes, dim);
  return {
    trained: {
      ...trained,
      imageToText: initializeConverter(random.fork('imageToText'), dim, converterHidden),
      textToImage: initializeConverter(random.fork('textToImage'), dim, converterHidden),
      fusion: initializeFusion(random.fork('fusion'), dim, fusionHidden, fusionLayers),
      classifier: initializeLinear(random.fork('classifier'), dim, shapes.classes),
    },
    ...scalings,
  };
}

// ───────────────────────────────────────────────── the forward pass ─────────────────────────────────────────────────

/** Features of a batch, what recovery makes of them, and how well each fits the distribution that it stands for. */
export type RecoveredBatch = {
  readonly features: PostFeatures;
  /** C_vt(Q_v) and C_tv(Q_t), [capacity, dim], when asked for. */
  readonly convertedQueues?: { readonly imageToText: QueueRows; readonly textToImage: QueueRows };
  /** μ, σ of both queues, read before the step changes anything. */
  readonly statistics: ByModality<DistributionStatistics>;
  readonly densities: LogDensities;
};

/** Every intermediate of the forward pass. */
export type DrfForward = RecoveredBatch & {
  /** [batch, pair] */
  readonly weights: PerPair;
  /** F of each pair, [batch, pair, dim] */
  readonly fusedPairs: Named<['batch', 'pair', 'dim']>;
  /** M of Eq. 12, [batch, dim] */
  readonly fused: Features;
  readonly logits: ClassScores;
};

/**
 * x → logits: features, recovery, expansion, quality, fusion.
 * @param withQueues see {@link recoverBatch}
 */
export function drfForward(
  config: DrfConfig,
  parameters: DrfParameters,
  batch: BatchInputs,
  memory: DrfMemoryInputs,
  withQueues: boolean,
): DrfForward {
  const { fusion, classifier } = parameters.trained;
  const recovered = recoverBatch(config, parameters, batch, memory, withQueues);
  const { pairs, weights } = weighPairs(config, recovered, availableIn(batch), memory);
  const fusedPairs = applyFusion(fusion, pairs);
  const fused = weightedSum(weights, fusedPairs); // Eq. 12: M = Σ weight · F(pair)
  return { ...recovered, weights, fusedPairs, fused, logits: classify(classifier, fused) }; // Eq. 14: W·M + b
}

/**
 * fᵛ, fᵗ; C(fᵛ), C(fᵗ); μ, σ of both queues (Eq. 1, 2); and p of each of the four features (Eq. 9).
 * @param withQueues also convert the whole queues (for the distribution-based recovery loss); batch rows and queue
 *   rows then go through each converter in one pass
 */
export function recoverBatch(
  { featureNorm }: Pick<DrfConfig, 'featureNorm'>,
  parameters: DrfParameters,
  batch: BatchInputs,
  memory: DrfMemoryInputs,
  withQueues: boolean,
): RecoveredBatch {
  const { imageToText, textToImage } = parameters.trained;
  const own = byModality((modality) => projectFeatures(parameters, modality, batch[modality], featureNorm));
  const toText = convert(imageToText, own.image, withQueues ? memory.image.rows : undefined);
  const toImage = convert(textToImage, own.text, withQueues ? memory.text.rows : undefined);
  const features = { ...own, recovered: { image: toImage.batch, text: toText.batch } };
  const statistics = byModality((modality) => distributionStatistics(memory[modality].rows, memory[modality].rowWeights)); // prettier-ignore
  return {
    features,
    ...(toText.queue && toImage.queue
      ? { convertedQueues: { imageToText: toText.queue, textToImage: toImage.queue } }
      : {}),
    statistics,
    densities: logDensities(features, statistics),
  };
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

/** log of Eq. 9: each feature against the distribution of the modality that it stands for. */
function logDensities({ image, text, recovered }: PostFeatures, of: ByModality<DistributionStatistics>): LogDensities {
  const own = { image: logRelativeDensity(image, of.image), text: logRelativeDensity(text, of.text) };
  const recoveredText = logRelativeDensity(recovered.text, of.text);
  const recoveredImage = logRelativeDensity(recovered.image, of.image);
  return {
    ...own,
    recovered: { image: recoveredImage, text: recoveredText },
    peak: byModality((modality) => logPeakFactor(of[modality])),
  };
}

/** Pairs of features, [batch, pair, 2·dim], and which of them exist, [batch, pair]. */
export type Pairs = { readonly pairs: Named<['batch', 'pair', 'both']>; readonly existing: PerPair };

/** The three pairs of each post, or without pair expansion the one filled pair. */
export function layOutPairs(features: PostFeatures, available: ByModality<PerPost>, pairExpansion: boolean): Pairs {
  if (pairExpansion) return { pairs: expandPairs(features), existing: existingPairs(available) };
  const some = tf.maximum(available.image, available.text);
  return { pairs: filledOriginalPair(features, available), existing: named(tf.expandDims(some, 1), ['batch', 'pair']) };
}

/** Pairs and their weights (Eq. 10, 11): products of two densities; equal ones while the queues are not ready. */
function weighPairs(
  { ablations, weighting }: DrfConfig,
  { features, densities }: RecoveredBatch,
  available: ByModality<PerPost>,
  { ready }: DrfMemoryInputs,
): { readonly pairs: Pairs['pairs']; readonly weights: PerPair } {
  const { gaussianProbability, pairExpansion } = ablations;
  const { pairs, existing } = layOutPairs(features, available, pairExpansion);
  const equal = equalWeights(existing);
  if (!gaussianProbability) return { pairs, weights: equal };
  const logWeights = pairExpansion
    ? logPairWeights(densities, weighting)
    : logFilledWeight(densities, available, weighting);
  const byDensity = pairWeights(logWeights, existing, weighting);
  const weights = tf.where(tf.greater(tf.fill(byDensity.shape, 1), tf.sub(1, ready)), byDensity, equal);
  return { pairs, weights: named(weights, ['batch', 'pair']) };
}

/** Everything of a forward pass that a person may want to see. */
function toPrediction({ features, fused, densities, weights, logits, statistics }: DrfForward): Prediction {
  const { image, text, recovered } = densities;
  const std = byModality((modality) => statistics[modality].std);
  return predictionOf(logits, { weights, logDensity: { image, text, recovered }, std, features, fused });
}

/** λᵛ and λᵗ. */
export function availableIn(batch: BatchInputs): ByModality<PerPost> {
  return byModality((modality) => batch[modality].available);
}

// ─────────────────────────────────────────────────── the losses ─────────────────────────────────────────────────────

/** The parts of Eq. 16 before their scales, each []. */
export type DrfLossParts = {
  /** L_dis, Eq. 3. */
  readonly distribution: Scalar;
  /** Eq. 4, 5. */
  readonly sampleImageToText: Scalar;
  readonly sampleTextToImage: Scalar;
  /** Eq. 6, 7. */
  readonly distributionImageToText: Scalar;
  readonly distributionTextToImage: Scalar;
  /** L_cls, Eq. 15. */
  readonly classification: Scalar;
};

/** Eq. 16: L = L_dis + L_rec + L_cls, each with its scale; parts whose ablation switch is off are left out. */
export function drfLoss(
  config: DrfConfig,
  parameters: DrfParameters,
  batch: BatchInputs,
  labels: PerPost,
  memory: DrfMemoryInputs,
): LossResult<DrfObservations> & { readonly parts: Partial<DrfLossParts>; readonly forward: DrfForward } {
  const available = availableIn(batch);
  const forward = drfForward(config, parameters, batch, memory, config.ablations.distributionRecovery);
  const classification = crossEntropy(forward.logits, labels, postWeights(parameters, labels));
  const parts = { ...distributionLossParts(config, forward, available, memory), classification };
  const terms = [...scaledTerms(config, parts), tf.mul(classification, config.lossScales.classification)];
  return {
    total: named(tf.addN(terms), []),
    parts,
    prediction: toPrediction(forward),
    observations: observe(forward, available, memory),
    forward,
  };
}

/**
 * L_dis and the parts of L_rec that the ablation switches leave on, before their scales. What depends on a distribution
 * is 0 until both queues hold two rows.
 * @param counted λᵛ and λᵗ of the posts that count
 */
export function distributionLossParts(
  { ablations, exponentLimit, recoveryTargetGradient: targetGradient }: DrfConfig,
  { features, statistics, convertedQueues }: RecoveredBatch,
  counted: ByModality<PerPost>,
  { image, text, ready }: DrfMemoryInputs,
): Omit<Partial<DrfLossParts>, 'classification'> {
  const onceReady = (loss: Scalar): Scalar => named(tf.mul(loss, ready), []);

  // Eq. 3: λᵛ·exp(‖fᵛ − μ_v‖ − ‖fᵛ − μ_t‖) + λᵗ·exp(‖fᵗ − μ_t‖ − ‖fᵗ − μ_v‖)
  const constraint = (): Pick<DrfLossParts, 'distribution'> => {
    const means = byModality((modality) => statistics[modality].mean);
    return { distribution: onceReady(distributionConstraint(features, counted, means, exponentLimit)) };
  };

  // Eq. 4, 5: λᵛλᵗ·‖C(fᵛ) − fᵗ‖ and λᵛλᵗ·‖C(fᵗ) − fᵛ‖
  const sampleRecovery = (): Pick<DrfLossParts, 'sampleImageToText' | 'sampleTextToImage'> => {
    const both = named(tf.mul(counted.image, counted.text), ['batch']);
    return {
      sampleImageToText: sampleRecoveryLoss(features.recovered.text, features.text, both, { targetGradient }),
      sampleTextToImage: sampleRecoveryLoss(features.recovered.image, features.image, both, { targetGradient }),
    };
  };

  // Eq. 6, 7: ‖μ(C(Q_v)) − μ_t‖ + |σ(C(Q_v)) − σ_t|, and the same of C(Q_t)
  const distributionRecovery = ({ imageToText, textToImage }: NonNullable<typeof convertedQueues>) => ({
    distributionImageToText: onceReady(distributionRecoveryLoss(imageToText, image.rowWeights, statistics.text)),
    distributionTextToImage: onceReady(distributionRecoveryLoss(textToImage, text.rowWeights, statistics.image)),
  });

  return {
    ...(ablations.distributionConstraint ? constraint() : {}),
    ...(ablations.sampleRecovery ? sampleRecovery() : {}),
    ...(convertedQueues ? distributionRecovery(convertedQueues) : {}),
  };
}

/** The terms of Eq. 16 but for the classification, each with its scale; Eq. 8: L_rec is the sum of its four parts. */
export function scaledTerms({ lossScales }: DrfConfig, parts: Partial<DrfLossParts>): tf.Tensor[] {
  const recovery = [
    parts.sampleImageToText,
    parts.sampleTextToImage,
    parts.distributionImageToText,
    parts.distributionTextToImage,
  ].filter((part) => part !== undefined);
  return [
    ...(parts.distribution ? [tf.mul(parts.distribution, lossScales.distribution)] : []),
    ...(recovery.length > 0 ? [tf.mul(tf.addN(recovery), lossScales.recovery)] : []),
  ];
}

// ─────────────────────────────────────────────────── the queues ─────────────────────────────────────────────────────

/** Eq. 13: which features enter their queue, by densities that were read before anything is enqueued. */
function observe(
  { features, densities, statistics }: DrfForward,
  available: ByModality<PerPost>,
  memory: DrfMemoryInputs,
): DrfObservations {
  return byModality((modality) => {
    const { rows, rowWeights, filledOnce } = memory[modality];
    const admitted = admittedRows({
      available: available[modality],
      density: named(tf.exp(densities[modality]), ['batch']),
      threshold: enqueueThreshold(rows, rowWeights, statistics[modality]),
      filledOnce,
    });
    return { features: features[modality], admitted };
  });
}
