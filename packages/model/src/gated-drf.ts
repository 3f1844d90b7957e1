import * as tf from '@tensorflow/tfjs';
import {
  gaussianDistances,
  logLowRankDensity,
  QUALITY_STATISTICS,
  QualityModel,
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
  byModality,
  CheckpointError,
  floatData,
  hostScalar,
  hostTensor,
  MODALITIES,
  named,
  type ByModality,
  type Host,
  type HostTensor,
  type HostTree,
  type Named,
  type NamedHost,
  type PerPair,
  type PerPost,
  type Random,
  type Scalar,
} from '@drf/tensor';
import type { DrfConfig } from './drf-config.js';
import { DrfMemory, type DrfMemoryInputs, type DrfObservations } from './drf-memory.js';
import {
  availableIn,
  distributionLossParts,
  initialDrfParameters,
  layOutPairs,
  recoverBatch,
  scaledTerms,
  type DrfForward,
  type DrfLossParts,
  type DrfParameters,
} from './drf.js';
import {
  postWeights,
  predictionOf,
  type BatchInputs,
  type LossResult,
  type Memory,
  type Method,
  type MethodShapes,
  type ModalityInputs,
  type Prediction,
} from './method.js';

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
export type GatedDrfParameters = DrfParameters & { readonly trained: { readonly gate?: GateParameters } };

/** Every intermediate of the forward pass. */
export type GatedForward = DrfForward & {
  /** Log density of each encoder output under the low-rank Gaussian of its modality, [batch]. */
  readonly quality: ByModality<PerPost>;
  /** The encoders' outputs, zeros where missing. [batch, width] */
  readonly encoded: ByModality<EncoderOutputs>;
  readonly existing: PerPair;
  /** W·F + b of each pair, [batch, pair, classes] */
  readonly pairLogits: Named<['batch', 'pair', 'classes']>;
};

type EncoderOutputs = Named<['batch', 'width']>;

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
export function createGatedDrf(
  config: GatedDrfConfig,
  shapes: MethodShapes,
): Method<GatedDrfParameters, GatedMemoryInputs, GatedObservations> {
  const { queueCapacity: capacity, dim, gaussianRank: rank } = config;
  const { imageDim, textDim } = shapes;
  return {
    id: 'drf',
    initialParameters: (random) => {
      const { trained, ...scalings } = initialDrfParameters(config, shapes, random);
      if (!hasGate(config)) return { trained, ...scalings };
      const gate = initializeGate(random.fork('gate'), GATE_INPUTS, config.gateHidden);
      return { trained: { ...trained, gate }, ...scalings };
    },
    createMemory: () => new GatedMemory({ capacity, dim, rank, widths: { image: imageDim, text: textDim } }),
    predict: (parameters, batch, memory) => toPrediction(gatedForward(config, parameters, batch, memory, false)),
    loss: (parameters, batch, labels, memory) => gatedLoss(config, parameters, batch, labels, memory),
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
  parameters: GatedDrfParameters,
  batch: BatchInputs,
  memory: GatedMemoryInputs,
  withQueues: boolean,
): GatedForward {
  const { gate, fusion, classifier } = parameters.trained;
  const available = availableIn(batch);
  const recovered = recoverBatch(config, parameters, batch, memory, withQueues);
  const { pairs, existing } = layOutPairs(recovered.features, available, config.ablations.pairExpansion);
  const { image, text } = byModality((modality) => assess(batch[modality], memory[modality].quality, memory.fitted));
  const known = tf.stack([available.image, available.text], 1); // [batch, 2]
  const statistics = named(tf.concat([image.statistics, text.statistics, known], 1), ['batch', 'statistic']);
  const weights =
    gate === undefined ? equalWeights(existing) : pairWeights(applyGate(gate, statistics), existing, 'normalized');
  const fusedPairs = applyFusion(fusion, pairs);
  const fused = weightedSum(weights, fusedPairs); // Eq. 12
  const [posts, count, dim] = fusedPairs.shape as [number, number, number];
  const rows = named(tf.reshape(fusedPairs, [posts * count, dim]), ['batch', 'dim']);
  const perRow = classify(classifier, rows); // [batch·pair, dim] → [batch·pair, classes]
  const pairLogits = named(tf.reshape(perRow, [posts, count, -1]), ['batch', 'pair', 'classes']);
  return {
    ...recovered,
    quality: { image: image.logDensity, text: text.logDensity },
    encoded: { image: image.rows, text: text.rows },
    existing,
    weights,
    fusedPairs,
    fused,
    pairLogits,
    logits: classify(classifier, fused),
  };
}

/** What an encoder output says of its own quality; zeros where it is missing or nothing is known yet. */
function assess(
  { features, available }: ModalityInputs,
  quality: FittedQuality<tf.Tensor>,
  fitted: Scalar,
): { readonly rows: EncoderOutputs; readonly statistics: tf.Tensor; readonly logDensity: PerPost } {
  const present = tf.expandDims(tf.greater(available, 0), 1); // [batch, 1]
  const rows = stopGradient(tf.where(present, features, tf.zerosLike(features))); // not even NaN goes on
  const distances = gaussianDistances(rows, quality.gaussian);
  const counts = tf.mul(tf.expandDims(available, 1), fitted); // [batch, 1]
  return {
    rows: named(rows, ['batch', 'width']),
    statistics: tf.mul(qualityStatistics(distances, quality.moments), counts), // [batch, statistic]
    logDensity: logLowRankDensity(distances),
  };
}

function toPrediction(forward: GatedForward): Prediction {
  const { features, fused, densities, quality, weights, logits, statistics } = forward;
  const std = byModality((modality) => statistics[modality].std);
  const logDensity = { ...quality, recovered: densities.recovered };
  return predictionOf(logits, { weights, logDensity, std, features, fused });
}

/** The paper's loss, counted over intact posts, and the pair supervision. */
function gatedLoss(
  config: GatedDrfConfig,
  parameters: GatedDrfParameters,
  batch: BatchInputs,
  labels: PerPost,
  memory: GatedMemoryInputs,
): LossResult<GatedObservations> & { readonly parts: Partial<DrfLossParts> & { readonly pairs: Scalar } } {
  const forward = gatedForward(config, parameters, batch, memory, config.ablations.distributionRecovery);
  const intact = byModality((modality) => knownIntact(batch[modality]));
  const weights = postWeights(parameters, labels);
  const classification = crossEntropy(forward.logits, labels, weights);
  const pairs = pairCrossEntropy(forward.pairLogits, labels, forward.existing, weights);
  const parts = { ...distributionLossParts(config, forward, intact, memory), classification, pairs };
  const terms = [
    ...scaledTerms(config, parts),
    tf.mul(classification, config.lossScales.classification),
    tf.mul(pairs, config.pairSupervision),
  ];
  return {
    total: named(tf.addN(terms), []),
    parts,
    prediction: toPrediction(forward),
    observations: byModality((modality) => ({
      features: forward.features[modality],
      encoded: forward.encoded[modality],
      admitted: named(tf.clone(intact[modality]), ['batch']), // everything intact enters
    })),
  };
}

/** λ of what is known to be intact; where nothing is known, of what is available. */
function knownIntact({ available, intact }: ModalityInputs): PerPost {
  return intact === undefined ? available : named(tf.mul(available, intact), ['batch']);
}

/** DRF's queues, and what intact encoder outputs look like. */
export type GatedMemoryInputs = DrfMemoryInputs &
  ByModality<{ readonly quality: FittedQuality<tf.Tensor> }> & {
    /** 1 once both Gaussians are fitted, else 0. [] */
    readonly fitted: Scalar;
  };

/** What a step tells the memory: of the features as DRF does, and the encoder outputs themselves, [batch, width]. */
export type GatedObservations = DrfObservations & ByModality<{ readonly encoded: EncoderOutputs }>;

/** Sizes of the memory of both modalities. */
export interface GatedMemoryOptions {
  readonly capacity: number;
  readonly dim: number;
  readonly rank: number;
  /** Of the encoders' outputs. */
  readonly widths: ByModality<number>;
}

/**
 * The memory of gated DRF: DRF's queues of features, and a {@link QualityModel} of each encoder's outputs. Only what is
 * known to be intact enters either, so that corrupted posts, which look alike, never pass for the norm.
 */
export class GatedMemory implements Memory<GatedMemoryInputs, GatedObservations> {
  private readonly features: DrfMemory;
  private readonly quality: ByModality<QualityModel>;

  constructor({ capacity, dim, rank, widths }: GatedMemoryOptions) {
    this.features = new DrfMemory({ capacity, dim });
    this.quality = byModality((modality) => new QualityModel({ capacity, width: widths[modality], rank }));
  }

  inputs(): Host<GatedMemoryInputs> {
    return this.inputsWith(byModality((modality) => this.quality[modality].inputs()));
  }

  private inputsWith(quality: ByModality<FittedQuality>): Host<GatedMemoryInputs> {
    const queues = this.features.inputs();
    const { image, text } = this.quality;
    return {
      ...queues,
      ...byModality((modality) => ({ ...queues[modality], quality: quality[modality] })),
      fitted: hostScalar(image.ready && text.ready ? 1 : 0),
    };
  }

  /** Takes in what a step observed: the intact features and encoder outputs enter the queues. */
  update(observations: Host<GatedObservations>): void {
    this.features.update(observations);
    for (const modality of MODALITIES) {
      const { encoded, admitted } = observations[modality];
      this.quality[modality].enqueue(encoded, admitted);
    }
  }

  /** Refits the Gaussians of encoder outputs; the queues of features, which say nothing of quality, stay. */
  refitted(observations: Host<GatedObservations>, kept: readonly number[], random: Random): Host<GatedMemoryInputs> {
    const quality = byModality((modality): FittedQuality => {
      const model = this.quality[modality];
      const rows = intactRows(observations[modality], kept);
      return { gaussian: model.refitted(rows, random.fork(modality)), moments: model.inputs().moments };
    });
    return this.inputsWith(quality);
  }

  state(): HostTree {
    const queues = this.features.state();
    return byModality((modality) => ({ ...queues[modality], quality: this.quality[modality].state() }));
  }

  restore(state: HostTree): void {
    this.features.restore(state);
    for (const modality of MODALITIES) {
      const saved = (state[modality] as HostTree).quality as HostTree | undefined;
      if (saved === undefined) throw withoutQuality(modality, state);
      this.quality[modality].restore(saved, `DRF memory "${modality}.quality"`);
    }
  }
}

/** Encoder outputs of some posts that would enter the queue. [rows, width] */
function intactRows(
  { encoded, admitted }: { readonly encoded: HostTensor; readonly admitted: NamedHost<['batch']> },
  kept: readonly number[],
): HostTensor {
  const width = encoded.shape[1] as number;
  const places = kept.filter((place) => (admitted.data[place] as number) > 0);
  const data = new Float32Array(places.length * width);
  places.forEach((place, row) =>
    data.set(floatData(encoded).subarray(place * width, (place + 1) * width), row * width),
  );
  return hostTensor(data, [places.length, width]);
}

function withoutQuality(modality: string, state: HostTree): CheckpointError {
  return new CheckpointError({
    subject: 'DRF memory',
    expected: `"${modality}.quality"`,
    received: `names ${Object.keys(state[modality] as HostTree).join(', ')}`,
    remedy: 'this checkpoint belongs to another method, perhaps to drf-paper or drf-adapted',
  });
}
