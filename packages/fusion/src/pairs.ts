import * as tf from '@tensorflow/tfjs';
import { byModality, named, type ByModality, type Features, type Named, type PerPair, type PerPost } from '@drf/tensor';

/** The four features of a post, each [batch, dim]. */
export type PostFeatures = ByModality<Features> & {
  /** C_tv(fᵗ), which stands for an image, and C_vt(fᵛ), which stands for a text. */
  readonly recovered: ByModality<Features>;
};

/**
 * Expands each post into its three pairs: (fᵛ, fᵗ), (fᵛ, C_vt(fᵛ)), (C_tv(fᵗ), fᵗ). All three are laid out for every
 * post; {@link existingPairs} says which count.
 * @returns [batch, pair, 2·dim]
 */
export function expandPairs({ image, text, recovered }: PostFeatures): Named<['batch', 'pair', 'both']> {
  const pairs = [
    tf.concat([image, text], -1),
    tf.concat([image, recovered.text], -1),
    tf.concat([recovered.image, text], -1),
  ]; // each [batch, 2·dim]
  return named(tf.stack(pairs, 1), ['batch', 'pair', 'both']);
}

/** Which pairs exist: λᵛλᵗ, λᵛ, λᵗ. [batch] → [batch, pair] */
export function existingPairs({ image, text }: ByModality<PerPost>): PerPair {
  return named(tf.stack([tf.mul(image, text), image, text], 1), ['batch', 'pair']);
}

/**
 * Without pair expansion (an ablation): only the original pair, in which a missing modality is filled by recovery.
 * @returns [batch, 1, 2·dim]
 */
export function filledOriginalPair(
  features: PostFeatures,
  available: ByModality<PerPost>,
): Named<['batch', 'pair', 'both']> {
  const { image, text } = byModality((modality) =>
    select(available[modality], features[modality], features.recovered[modality]),
  );
  return named(tf.expandDims(tf.concat([image, text], -1), 1), ['batch', 'pair', 'both']);
}

/** Rows of `present` where the mask is 1, else rows of `otherwise`; works for [batch, dim] and for [batch]. */
export function select(mask: PerPost, present: tf.Tensor, otherwise: tf.Tensor): tf.Tensor {
  const condition = tf.greater(mask, 0);
  return tf.where(present.rank === 2 ? tf.expandDims(condition, 1) : condition, present, otherwise);
}
