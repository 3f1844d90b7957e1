import * as tf from '@tensorflow/tfjs';
import { initializeConverter } from '@drf/converters';
import { logRelativeDensity, type DistributionStatistics } from '@drf/distribution';
import { initializeFusion } from '@drf/fusion';
import { crossEntropy, initializeLinear } from '@drf/layers';
import { named, type HostTree, type PerPost, type QueueRows, type Random, type TensorTree } from '@drf/tensor';
import { postWeights } from './class-weights.js';
import type { DrfConfig } from './drf-config.js';
import { drfForward, type DrfForward } from './drf-forward.js';
import { distributionLossParts, scaledTerms, type DrfLossParts } from './drf-losses.js';
import { DrfMemory, type DrfMemoryInputs, type DrfObservations } from './drf-memory.js';
import type { BatchInputs, LossResult, Method, MethodShapes, Prediction } from './method.js';
import { initializeProjections } from './projection.js';

/** What the published form of DRF may be called: to the letter, or with departures from it. */
export type PublishedDrfName = 'drf-paper' | 'drf-adapted';

/**
 * DRF as published: distribution-based feature recovery and fusion. `createGatedDrf` has what measured better.
 * Source: Wu, Yang, Zhou, Ma, "Robust Multimodal Sentiment Analysis of Image-Text Pairs by Distribution-Based Feature
 * Recovery and Fusion" (ACM MM 2024). Symbols: Q → `imageQueue`, `textQueue`; L → `queueCapacity`; μ, σ →
 * `DistributionStatistics`; C → `imageToText`, `textToImage`; F → `fusion`; λ → `imageAvailable`, `textAvailable`.
 * With `drfConfig`'s defaults it is the paper to the letter, but for a bounded exponent in Eq. 3 and for what the paper
 * leaves open (docs/departures.md). Options depart from it: other weighting modes (`WEIGHTING_MODES`), a constant target
 * in Eq. 4, features of unit norm, scales of the losses, ablations.
 * @param id its name in checkpoints and reports
 */
export function createDrf(config: DrfConfig, shapes: MethodShapes, id: PublishedDrfName = 'drf-paper'): Method {
  return {
    id,
    initialParameters: (random) => initialDrfParameters(config, shapes, random),
    createMemory: () => new DrfMemory({ capacity: config.queueCapacity, dim: config.dim }),
    predict: (parameters, batch, memory) =>
      toPrediction(drfForward(config, parameters, batch, memory as DrfMemoryInputs, false)),
    loss: (parameters, batch, labels, memory) => drfLoss(config, parameters, batch, labels, memory as DrfMemoryInputs),
  };
}

/** What any form of DRF learns. */
export function initialDrfParameters(config: DrfConfig, shapes: MethodShapes, random: Random): HostTree {
  return {
    ...initializeProjections(random, shapes, config.dim),
    imageToText: initializeConverter(random.fork('imageToText'), config.dim, config.converterHidden),
    textToImage: initializeConverter(random.fork('textToImage'), config.dim, config.converterHidden),
    fusion: initializeFusion(random.fork('fusion'), config.dim, config.fusionHidden, config.fusionLayers),
    classifier: initializeLinear(random.fork('classifier'), config.dim, shapes.classes),
  };
}

/** Everything of a forward pass that a person may want to see. */
function toPrediction(forward: DrfForward): Prediction {
  const { features, densities, weights, logits, statistics } = forward;
  return {
    logits,
    probabilities: named(tf.softmax(logits, -1), ['batch', 'classes']),
    details: {
      weights,
      logDensity: {
        image: densities.image,
        text: densities.text,
        recoveredText: densities.recoveredText,
        recoveredImage: densities.recoveredImage,
      },
      std: { image: statistics.image.std, text: statistics.text.std },
      features: { ...features },
    },
  };
}

/** Eq. 16: L = L_dis + L_rec + L_cls, each with its scale; parts whose ablation switch is off are left out. */
export function drfLoss(
  config: DrfConfig,
  parameters: TensorTree,
  batch: BatchInputs,
  labels: PerPost,
  memory: DrfMemoryInputs,
): LossResult & { readonly parts: Partial<DrfLossParts>; readonly forward: DrfForward } {
  const forward = drfForward(config, parameters, batch, memory, config.ablations.distributionRecovery);
  const classification = crossEntropy(forward.logits, labels, postWeights(parameters, labels));
  const parts = { ...distributionLossParts(config, forward, batch, memory), classification };
  const terms = [...scaledTerms(config, parts), tf.mul(classification, config.lossScales.classification)];
  return {
    total: named(tf.addN(terms), []),
    parts,
    prediction: toPrediction(forward),
    observations: observe(forward, batch, memory),
    forward,
  };
}

/** Relative densities of the batch and of the queues (Eq. 13's two sides), read before anything is enqueued. */
function observe(forward: DrfForward, batch: BatchInputs, memory: DrfMemoryInputs): DrfObservations {
  const { features, densities, statistics } = forward;
  const threshold = (rows: QueueRows, rowWeights: tf.Tensor, own: DistributionStatistics): tf.Tensor =>
    tf.sum(tf.mul(tf.exp(logRelativeDensity(rows, own)), rowWeights)); // [capacity] → []
  return {
    image: {
      features: features.image,
      available: batch.imageAvailable,
      density: tf.exp(densities.image),
      threshold: threshold(memory.imageQueue, memory.imageRowWeights, statistics.image),
    },
    text: {
      features: features.text,
      available: batch.textAvailable,
      density: tf.exp(densities.text),
      threshold: threshold(memory.textQueue, memory.textRowWeights, statistics.text),
    },
  };
}
