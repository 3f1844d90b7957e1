import * as tf from '@tensorflow/tfjs';
import { ConfigurationError, named, type Features, type TensorTree } from '@drf/tensor';
import type { TransformerOutputs } from '../layers/transformer.js';
import type { Pooling } from '../transformers/options.js';

/** Means over the tokens where the mask is 1: [batch, token, dim] → [batch, dim] */
function meanOf(tokens: tf.Tensor, mask: tf.Tensor | undefined): tf.Tensor {
  if (mask === undefined) return tf.mean(tokens, 1);
  const weights = tf.expandDims(mask, -1); // [batch, token] → [batch, token, 1]
  return tf.div(tf.sum(tf.mul(tokens, weights), 1), tf.maximum(tf.sum(weights, 1), 1));
}

function firstOf(tokens: tf.Tensor): tf.Tensor {
  const [batch, , dim] = tokens.shape as [number, number, number];
  return tf.reshape(tf.slice(tokens, [0, 0, 0], [batch, 1, dim]), [batch, dim]);
}

/**
 * One feature a row out of a model's outputs.
 * @param mask [batch, token], 1 for tokens; undefined: all are
 */
export function poolTokens(pooling: Pooling, outputs: TransformerOutputs, mask: tf.Tensor | undefined): Features {
  if (pooling === 'pooler') return outputs.pooled as Features;
  return named(pooling === 'mean' ? meanOf(outputs.tokens, mask) : firstOf(outputs.tokens), ['batch', 'dim']);
}

/** @throws ConfigurationError when features are to come from a pooler that the model has not */
export function assertPooling(pooling: Pooling, parameters: TensorTree | object, subject: string): void {
  if (pooling !== 'pooler' || 'pooler' in parameters) return;
  throw new ConfigurationError({
    subject: 'pooling "pooler"',
    expected: `a pooler in the weights of ${subject}`,
    received: 'none',
    remedy: 'choose the pooling "mean" or "cls"',
  });
}
