import * as tf from '@tensorflow/tfjs';
import { ConfigurationError, named, type Features, type TensorTree } from '@drf/tensor';
import { meanState, type TransformerOutputs } from '@drf/layers';
import type { Pooling } from '../transformers/options.js';

/** A number below all states, for places of padding. */
const PADDING_STATE = -1e9;
/** Below it a squared length counts as it. */
const SMALLEST_SQUARE = 1e-24;

/** Weighted sums over the tokens: [batch, token, dim] and [batch, token] → [batch, dim] */
function weightedSum(tokens: tf.Tensor, weights: tf.Tensor): tf.Tensor {
  return tf.sum(tf.mul(tokens, tf.expandDims(weights, -1)), 1);
}

/** [batch, token] → [batch, 1], at least 1 */
function total(weights: tf.Tensor): tf.Tensor {
  return tf.maximum(tf.sum(weights, 1, true), 1);
}

function firstOf(tokens: tf.Tensor): tf.Tensor {
  const [batch, , dim] = tokens.shape as [number, number, number];
  return tf.reshape(tf.slice(tokens, [0, 0, 0], [batch, 1, dim]), [batch, dim]);
}

/** 1 for the last token of each row, 0 for all others: [batch, token] → the same */
function lastPlaces(mask: tf.Tensor): tf.Tensor {
  const [batch, length] = mask.shape as [number, number];
  const following = tf.concat([tf.slice(mask, [0, 1], [batch, length - 1]), tf.zeros([batch, 1])], 1);
  return tf.mul(mask, tf.sub(1, following));
}

type PoolingOfTokens = Exclude<Pooling, 'pooler'>;

/** [batch, token, dim] and a mask [batch, token] → [batch, dim] */
const POOLINGS: Readonly<Record<PoolingOfTokens, (tokens: tf.Tensor, mask: tf.Tensor) => tf.Tensor>> = {
  cls: firstOf,
  mean: meanState,
  max: (tokens, mask) => tf.max(tf.add(tokens, tf.mul(tf.expandDims(tf.sub(1, mask), -1), PADDING_STATE)), 1),
  mean_sqrt_len: (tokens, mask) => tf.div(weightedSum(tokens, mask), tf.sqrt(total(mask))),
  weightedmean: (tokens, mask) => {
    const places = tf.range(1, (mask.shape[1] as number) + 1, 1, 'float32');
    const weights = tf.mul(mask, tf.reshape(places, [1, -1]));
    return tf.div(weightedSum(tokens, weights), total(weights));
  },
  lasttoken: (tokens, mask) => weightedSum(tokens, lastPlaces(mask)),
};

/**
 * One feature a row out of a model's outputs.
 * @param mask float32 [batch, token], 1 for tokens
 */
export function poolTokens(pooling: Pooling, outputs: TransformerOutputs, mask: tf.Tensor): Features {
  if (pooling === 'pooler') return outputs.pooled as Features;
  return named(POOLINGS[pooling](outputs.tokens, mask), ['batch', 'dim']);
}

/** Features at length 1, as sentence-transformers' `Normalize` makes them. */
export function toUnitLength(features: Features): Features {
  const squares = tf.sum(tf.square(features), 1, true); // → [batch, 1]
  return named(tf.div(features, tf.sqrt(tf.maximum(squares, SMALLEST_SQUARE))), ['batch', 'dim']);
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
