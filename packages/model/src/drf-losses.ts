import * as tf from '@tensorflow/tfjs';
import { distributionRecoveryLoss, sampleRecoveryLoss } from '@drf/converters';
import { distributionConstraint, type DistributionStatistics } from '@drf/distribution';
import { named, type QueueRows, type Scalar } from '@drf/tensor';
import type { DrfConfig } from './drf-config.js';
import type { RecoveredBatch } from './drf-forward.js';
import type { DrfMemoryInputs } from './drf-memory.js';
import type { BatchInputs } from './method.js';

/** The five parts of Eq. 16 before their scales, each []. */
export type DrfLossParts = {
  readonly distribution: Scalar;
  readonly sampleImageToText: Scalar;
  readonly sampleTextToImage: Scalar;
  readonly distributionImageToText: Scalar;
  readonly distributionTextToImage: Scalar;
  readonly classification: Scalar;
};

/** Which posts the losses on distributions and recovery count: λᵛ and λᵗ, or what is known to be intact of them. */
export type Counted = Pick<BatchInputs, 'imageAvailable' | 'textAvailable'>;

/** L_dis and the parts of L_rec that the ablation switches leave on, before their scales. */
export function distributionLossParts(
  config: DrfConfig,
  forward: RecoveredBatch,
  counted: Counted,
  memory: DrfMemoryInputs,
): Omit<Partial<DrfLossParts>, 'classification'> {
  const { distributionConstraint: withConstraint, sampleRecovery } = config.ablations;
  return {
    ...(withConstraint ? { distribution: constraintPart(config, forward, counted, memory) } : {}),
    ...(sampleRecovery ? sampleParts(config, forward, counted) : {}),
    ...(forward.convertedQueues ? queueParts(forward, forward.convertedQueues, memory) : {}),
  };
}

/** The terms of Eq. 16 but for the classification, each with its scale. */
export function scaledTerms(config: DrfConfig, parts: Partial<DrfLossParts>): tf.Tensor[] {
  const recovery = [
    parts.sampleImageToText,
    parts.sampleTextToImage,
    parts.distributionImageToText,
    parts.distributionTextToImage,
  ].filter((part) => part !== undefined);
  return [
    ...(parts.distribution ? [tf.mul(parts.distribution, config.lossScales.distribution)] : []),
    ...(recovery.length > 0 ? [tf.mul(tf.addN(recovery), config.lossScales.recovery)] : []),
  ];
}

function constraintPart(config: DrfConfig, forward: RecoveredBatch, batch: Counted, memory: DrfMemoryInputs): Scalar {
  const { features, statistics } = forward;
  const loss = distributionConstraint(
    features.image,
    features.text,
    batch.imageAvailable,
    batch.textAvailable,
    { image: statistics.image.mean, text: statistics.text.mean },
    config.exponentLimit,
  );
  return named(tf.mul(loss, memory.ready), []);
}

function sampleParts(
  config: DrfConfig,
  forward: RecoveredBatch,
  batch: Counted,
): Pick<DrfLossParts, 'sampleImageToText' | 'sampleTextToImage'> {
  const { image, text, recoveredText, recoveredImage } = forward.features;
  const both = named(tf.mul(batch.imageAvailable, batch.textAvailable), ['batch']);
  const options = { targetGradient: config.recoveryTargetGradient };
  return {
    sampleImageToText: sampleRecoveryLoss(recoveredText, text, both, options),
    sampleTextToImage: sampleRecoveryLoss(recoveredImage, image, both, options),
  };
}

function queueParts(
  forward: RecoveredBatch,
  converted: { readonly imageToText: QueueRows; readonly textToImage: QueueRows },
  memory: DrfMemoryInputs,
): Pick<DrfLossParts, 'distributionImageToText' | 'distributionTextToImage'> {
  const gated = (queue: QueueRows, rowWeights: tf.Tensor, target: DistributionStatistics): Scalar =>
    named(tf.mul(distributionRecoveryLoss(queue, rowWeights, target), memory.ready), []);
  return {
    distributionImageToText: gated(converted.imageToText, memory.imageRowWeights, forward.statistics.text),
    distributionTextToImage: gated(converted.textToImage, memory.textRowWeights, forward.statistics.image),
  };
}
