import * as tf from '@tensorflow/tfjs';
import { named, type PerPost, type QueueRows, type Scalar } from '@drf/tensor';
import { distributionStatistics, safeNorm, stopGradient, type DistributionStatistics } from '@drf/distribution';

/**
 * Sample-based recovery loss of one direction (Eq. 4, 5): λᵛλᵗ·‖C(f) − target‖, mean over the batch.
 * The target carries no gradient.
 * @param converted C(f), [batch, dim]
 * @param target the other modality's own feature, [batch, dim]
 * @param bothAvailable λᵛλᵗ, [batch]
 */
export function sampleRecoveryLoss(converted: tf.Tensor, target: tf.Tensor, bothAvailable: PerPost): Scalar {
  const distances = safeNorm(tf.sub(converted, stopGradient(target))); // [batch, dim] → [batch]
  return named(tf.mean(tf.mul(bothAvailable, distances)), []);
}

/**
 * Distribution-based recovery loss of one direction (Eq. 6, 7): ‖μ(C(Q)) − μ‖ + |σ(C(Q)) − σ| over the whole queue.
 * @param convertedQueue C(Q), [capacity, dim]
 * @param rowWeights [capacity], the queue's
 * @param target the other modality's statistics (constants)
 */
export function distributionRecoveryLoss(
  convertedQueue: QueueRows,
  rowWeights: tf.Tensor,
  target: DistributionStatistics,
): Scalar {
  const converted = distributionStatistics(convertedQueue, rowWeights);
  const meanDistance = safeNorm(tf.sub(converted.mean, target.mean)); // [dim] → []
  return named(tf.add(meanDistance, tf.abs(tf.sub(converted.std, target.std))), []);
}
