import * as tf from '@tensorflow/tfjs';
import { named, type Features, type Named } from '@drf/tensor';
import { stopGradient } from './gradient.js';

/** A sequence of vectors, and which of them count. */
export type Sequence = {
  readonly states: Named<['batch', 'token', 'dim']>;
  /** float32, 1 for a token and 0 for padding or what is missing */
  readonly mask: Named<['batch', 'token']>;
};

/** A sequence with other states for the same tokens. */
export function mapStates({ states, mask }: Sequence, map: (states: tf.Tensor) => tf.Tensor): Sequence {
  return { states: named(map(states), ['batch', 'token', 'dim']), mask };
}

/** Sequences one after the other, or with axis 0 posts after posts. */
export function joinSequences(sequences: readonly Sequence[], axis: 0 | 1 = 1): Sequence {
  const [states, masks] = [sequences.map((each) => each.states), sequences.map((each) => each.mask)];
  return {
    states: named(tf.concat<tf.Tensor>(states, axis), ['batch', 'token', 'dim']),
    mask: named(tf.concat<tf.Tensor>(masks, axis), ['batch', 'token']),
  };
}

/**
 * Weighted sums of vectors, as a product: ONNX Runtime adds up along a middle axis in another order where the batch has
 * one element, so that sums would differ in their last bits with the size of the batch.
 * @param states [batch, token, dim]
 * @param weights float32 [batch, token]
 * @returns [batch, dim]
 */
export function sumStates(states: tf.Tensor, weights: tf.Tensor): tf.Tensor {
  return tf.squeeze(tf.matMul(tf.expandDims(weights, 1), states), [1]); // [batch, 1, token] × [batch, token, dim]
}

/**
 * Mean of the vectors that count; zeros where none does.
 * @param states [batch, token, dim]
 * @param mask float32 [batch, token]
 */
export function meanState(states: tf.Tensor, mask: tf.Tensor): Features {
  return named(tf.div(sumStates(states, mask), tf.maximum(tf.sum(mask, 1, true), 1)), ['batch', 'dim']);
}

/**
 * Rows of a table [rows, dim] by whole numbers [batch, length] → [batch, length, dim]. The row of padding, where there
 * is one, gets no gradient, as in PyTorch's `nn.Embedding` with a `padding_idx`.
 */
export function lookUp(table: tf.Tensor, ids: tf.Tensor, paddingRow?: number): tf.Tensor {
  const rows = tf.gather(table as tf.Tensor2D, ids);
  if (paddingRow === undefined) return rows;
  const dim = table.shape[1] as number;
  const padding = stopGradient(tf.reshape(tf.slice(table, [paddingRow, 0], [1, dim]), [1, 1, dim]));
  const isToken = tf.expandDims(tf.notEqual(ids, tf.scalar(paddingRow, 'int32')), -1); // [batch, length, 1]
  return tf.where(isToken, rows, padding);
}
