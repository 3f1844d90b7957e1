import * as tf from '@tensorflow/tfjs';
import { named, type Named, type PerPost, type QueueRows, type Scalar } from '@drf/tensor';
import { distributionStatistics, safeNorm, type DistributionStatistics } from '@drf/distribution';
import { stopGradient } from '@drf/layers';

/**
 * Sample-based recovery loss of one direction (Eq. 4, 5): λᵛλᵗ·‖C(f) − target‖, mean over the batch.
 * Eq. 4 as printed has a gradient to both sides: it also pulls the target, and with it the encoder (or projection) that
 * the target comes from, toward what can be recovered. Without, only the converter and its input learn from it.
 * @param converted C(f), [batch, dim]
 * @param target the other modality's own feature, [batch, dim]
 * @param bothAvailable λᵛλᵗ, [batch]
 * @param options.targetGradient whether the gradient reaches the target, too; default: it is a constant
 */
export function sampleRecoveryLoss(
  converted: tf.Tensor,
  target: tf.Tensor,
  bothAvailable: PerPost,
  { targetGradient = false }: { readonly targetGradient?: boolean } = {},
): Scalar {
  const goal = targetGradient ? target : stopGradient(target);
  const distances = safeNorm(tf.sub(converted, goal)); // [batch, dim] → [batch]
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
  rowWeights: Named<['capacity']>,
  target: DistributionStatistics,
): Scalar {
  const converted = distributionStatistics(convertedQueue, rowWeights);
  const meanDistance = safeNorm(tf.sub(converted.mean, target.mean)); // [dim] → []
  return named(tf.add(meanDistance, tf.abs(tf.sub(converted.std, target.std))), []);
}
