import * as tf from '@tensorflow/tfjs';
import {
  gaussianDistances,
  logLowRankDensity,
  QUALITY_STATISTICS,
  qualityStatistics,
  type FittedQuality,
} from '@drf/distribution';
import {
  applyFusion,
  applyGate,
  classify,
  equalWeights,
  initializeGate,
  pairCrossEntropy,
  pairWeights,
  weightedSum,
  type GateParameters,
} from '@drf/fusion';
import { crossEntropy, stopGradient } from '@drf/layers';
import {
  named,
  type HostTree,
  type Named,
  type PerPair,
  type PerPost,
  type Scalar,
  type TensorTree,
} from '@drf/tensor';
import { postWeights } from './class-weights.js';
import type { DrfConfig } from './drf-config.js';
import { initialDrfParameters } from './drf.js';
import { layOutPairs, recoverBatch, type DrfForward, type DrfParameters } from './drf-forward.js';
import { distributionLossParts, scaledTerms, type Counted, type DrfLossParts } from './drf-losses.js';
import { GatedMemory, type GatedMemoryInputs, type GatedObservations } from './gated-memory.js';
import type { BatchInputs, LossResult, Method, MethodShapes, Prediction } from './method.js';

/** What gated DRF has beside the paper's options. */
export interface GatedDrfConfig extends DrfConfig {
  /** Directions of the low-rank Gaussian of each encoder's outputs. */
  readonly gaussianRank: number;
  /** Width of the gate's hidden layer. */
  readonly gateHidden: number;
  /** Factor of the pair supervision in the total loss. */
  readonly pairSupervision: number;
}

/** DRF's parameters and the gate's. */
export type GatedDrfParameters = DrfParameters & { readonly gate?: GateParameters };

/** Every intermediate of the forward pass. */
export type GatedForward = Omit<DrfForward, 'fused'> & {
  /** Log density of each encoder output under the low-rank Gaussian of its modality, [batch]. */
  readonly quality: { readonly image: PerPost; readonly text: PerPost };
  /** The encoders' outputs, zeros where missing. [batch, width] */
  readonly encoded: { readonly image: tf.Tensor; readonly text: tf.Tensor };
  readonly existing: PerPair;
  /** W·F + b of each pair, [batch, pair, classes] */
  readonly pairLogits: Named<['batch', 'pair', 'classes']>;
};

/**
 * DRF with a learned sense of quality. As in the paper, each post is expanded into three pairs, partly recovered, and
 * their fusion is weighted by how well its features fit the distributions of intact ones. What differs:
 *
 * - the distribution is a low-rank Gaussian of the encoder's outputs (`fitLowRankGaussian`) instead of an isotropic one
 *   of the projected features, and only rows known to be intact enter its queue, instead of Eq. 13's filter;
 * - pair weights come from a small network (the gate) that reads how far both outputs lie from their distributions and
 *   is trained by the task, instead of from products of densities (Eq. 10, 11);
 * - each pair's own prediction is trained, too (pair supervision). Weights sum to 1, so W·M + b of Eq. 12, 14 is the
 *   weighted mean of the pairs' own logits.
 *
 * Recovery, its losses and the distribution constraint are the paper's, counted over what is known to be intact.
 */
export function createGatedDrf(config: GatedDrfConfig, shapes: MethodShapes): Method {
  const { queueCapacity: capacity, dim, gaussianRank: rank } = config;
  const { imageDim, textDim } = shapes;
  return {
    id: 'drf',
    initialParameters: (random): HostTree => ({
      ...initialDrfParameters(config, shapes, random),
      ...(hasGate(config) ? { gate: initializeGate(random.fork('gate'), GATE_INPUTS, config.gateHidden) } : {}),
    }),
    createMemory: () => new GatedMemory({ capacity, dim, rank, imageDim, textDim }),
    predict: (parameters, batch, memory) =>
      toPrediction(gatedForward(config, parameters, batch, memory as GatedMemoryInputs, false)),
    loss: (parameters, batch, labels, memory) =>
      gatedLoss(config, parameters, batch, labels, memory as GatedMemoryInputs),
  };
}

/** Two ablations leave nothing to weigh: equal weights, and a single filled pair. */
function hasGate({ ablations }: DrfConfig): boolean {
  return ablations.gaussianProbability && ablations.pairExpansion;
}

/** Quality statistics of both modalities, and what is available. */
const GATE_INPUTS = 2 * QUALITY_STATISTICS + 2;

/** Features, recovery, pairs, quality, gate, logits. @param withQueues see {@link recoverBatch} */
export function gatedForward(
  config: GatedDrfConfig,
  tree: TensorTree,
  batch: BatchInputs,
  memory: GatedMemoryInputs,
  withQueues: boolean,
): GatedForward {
  const parameters = tree as GatedDrfParameters;
  const { imageAvailable, textAvailable } = batch;
  const recovered = recoverBatch(config, tree, batch, memory, withQueues);
  const { pairs, existing } = layOutPairs(recovered.features, batch, config.ablations.pairExpansion);
  const image = judge(batch.image, imageAvailable, memory.imageQuality, memory.fitted);
  const text = judge(batch.text, textAvailable, memory.textQuality, memory.fitted);
  const known = tf.stack([imageAvailable, textAvailable], 1); // [batch, 2]
  const statistics = named(tf.concat([image.statistics, text.statistics, known], 1), ['batch', 'statistic']);
  const weights =
    parameters.gate === undefined
      ? equalWeights(existing)
      : pairWeights(applyGate(parameters.gate, statistics), existing, 'normalized');
  const fusedPairs = applyFusion(parameters.fusion, pairs);
  const [posts, count, dim] = fusedPairs.shape as [number, number, number];
  const rows = named(tf.reshape(fusedPairs, [posts * count, dim]), ['batch', 'dim']);
  const perRow = classify(parameters.classifier, rows); // [batch·pair, dim] → [batch·pair, classes]
  const pairLogits = named(tf.reshape(perRow, [posts, count, -1]), ['batch', 'pair', 'classes']);
  return {
    ...recovered,
    quality: { image: image.logDensity, text: text.logDensity },
    encoded: { image: image.rows, text: text.rows },
    existing,
    weights,
    fusedPairs,
    pairLogits,
    logits: classify(parameters.classifier, weightedSum(weights, fusedPairs)),
  };
}

/** What an encoder output says of its own quality; zeros where it is missing or nothing is known yet. */
function judge(
  encoded: tf.Tensor,
  available: PerPost,
  quality: FittedQuality<tf.Tensor>,
  fitted: Scalar,
): { rows: tf.Tensor; statistics: tf.Tensor; logDensity: PerPost } {
  const present = tf.expandDims(tf.greater(available, 0), 1); // [batch, 1]
  const rows = stopGradient(tf.where(present, encoded, tf.zerosLike(encoded))); // not even NaN goes on
  const distances = gaussianDistances(rows, quality.gaussian);
  const counts = tf.mul(tf.expandDims(available, 1), fitted); // [batch, 1]
  return {
    rows,
    statistics: tf.mul(qualityStatistics(distances, quality.moments), counts), // [batch, statistic]
    logDensity: logLowRankDensity(distances),
  };
}

function toPrediction(forward: GatedForward): Prediction {
  const { features, densities, quality, weights, logits, statistics } = forward;
  const { recoveredText, recoveredImage } = densities;
  return {
    logits,
    probabilities: named(tf.softmax(logits, -1), ['batch', 'classes']),
    details: {
      weights,
      logDensity: { ...quality, recoveredText, recoveredImage },
      std: { image: statistics.image.std, text: statistics.text.std },
      features: { ...features },
    },
  };
}

/** The paper's loss, counted over intact posts, and the pair supervision. */
function gatedLoss(
  config: GatedDrfConfig,
  parameters: TensorTree,
  batch: BatchInputs,
  labels: PerPost,
  memory: GatedMemoryInputs,
): LossResult & { readonly parts: Partial<DrfLossParts> & { readonly pairs: Scalar } } {
  const forward = gatedForward(config, parameters, batch, memory, config.ablations.distributionRecovery);
  const counted = knownIntact(batch);
  const weights = postWeights(parameters, labels);
  const classification = crossEntropy(forward.logits, labels, weights);
  const pairs = pairCrossEntropy(forward.pairLogits, labels, forward.existing, weights);
  const parts = { ...distributionLossParts(config, forward, counted, memory), classification, pairs };
  const terms = [
    ...scaledTerms(config, parts),
    tf.mul(classification, config.lossScales.classification),
    tf.mul(pairs, config.pairSupervision),
  ];
  return {
    total: named(tf.addN(terms), []),
    parts,
    prediction: toPrediction(forward),
    observations: observe(forward, counted),
  };
}

/** λ of what is known to be intact; where nothing is known, of what is available. */
function knownIntact({ imageAvailable, textAvailable, imageIntact, textIntact }: BatchInputs): Counted {
  return {
    imageAvailable: imageIntact === undefined ? imageAvailable : named(tf.mul(imageAvailable, imageIntact), ['batch']),
    textAvailable: textIntact === undefined ? textAvailable : named(tf.mul(textAvailable, textIntact), ['batch']),
  };
}

/** Everything intact enters the queues: its density is told to exceed any threshold of Eq. 13. */
function observe({ features, encoded }: GatedForward, counted: Counted): GatedObservations {
  const admitted = (rows: tf.Tensor, available: PerPost) => ({
    features: rows,
    available: tf.clone(available),
    density: tf.onesLike(available),
    threshold: tf.zeros([]),
  });
  return {
    image: admitted(features.image, counted.imageAvailable),
    text: admitted(features.text, counted.textAvailable),
    encoded,
  };
}
