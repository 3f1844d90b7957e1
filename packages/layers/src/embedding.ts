import * as tf from '@tensorflow/tfjs';
import { stopGradient } from './gradient.js';

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
