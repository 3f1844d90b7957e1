import * as tf from '@tensorflow/tfjs';
import { applyLinear, initializeLinear, type LinearParameters } from '@drf/converters';
import { hostTensor, named, type Features, type Host, type Named, type Random } from '@drf/tensor';
import { applyTokenLinear, type Sequence } from './tokens.js';

/** Added to the scores of what does not stand, so that its weight is 0 after softmax. */
const ABSENT_SCORE = -1e9;

/** Softmax over the last axis among what stands; uniform where nothing does. */
export function maskedSoftmax(scores: tf.Tensor, mask: tf.Tensor): tf.Tensor {
  return tf.softmax(tf.add(scores, tf.mul(tf.sub(1, mask), ABSENT_SCORE)));
}

/** Σ wᵢ·xᵢ: [batch, token], [batch, token, dim] → [batch, dim] */
export function weightedStates(weights: tf.Tensor, states: tf.Tensor): Features {
  return named(tf.squeeze(tf.matMul(tf.expandDims(weights, 1), states), [1]), ['batch', 'dim']);
}

/** Attention with context: a layer over each token, one over the query if there is one, and the context vector. */
export type ContextAttentionParameters = {
  readonly token: LinearParameters;
  readonly query?: LinearParameters;
  /** [dim, 1] */
  readonly context: tf.Tensor;
};

export function initializeContextAttention(
  random: Random,
  dim: number,
  hasQuery: boolean,
): Host<ContextAttentionParameters> {
  const { kernel } = initializeLinear(random.fork('context'), dim, 1);
  return {
    token: initializeLinear(random.fork('token'), dim, dim),
    ...(hasQuery ? { query: initializeLinear(random.fork('query'), dim, dim) } : {}),
    context: kernel,
  };
}

/** What an attention gives: the weighted sum [batch, dim] and its weights [batch, token]. */
export type Attended = { readonly pooled: Features; readonly weights: Named<['batch', 'token']> };

/**
 * αᵢ = softmax(cᵀ·tanh(W·xᵢ + b + U·q)) over what stands; Σ αᵢ·xᵢ.
 * Source: Yang et al., "Hierarchical attention networks for document classification" (NAACL 2016), Eq. 5-7, with a
 * query added to the layer where one guides it.
 */
export function attendWithContext(
  parameters: ContextAttentionParameters,
  { states, mask }: Sequence,
  query?: tf.Tensor,
): Attended {
  const [batch, length] = states.shape as [number, number, number];
  const own = applyTokenLinear(parameters.token, states); // [batch, token, dim]
  const guided =
    query === undefined || parameters.query === undefined
      ? own
      : tf.add(own, tf.expandDims(applyLinear(parameters.query, query), 1));
  const rows = tf.reshape(tf.tanh(guided), [batch * length, -1]);
  const scores = tf.reshape(tf.matMul(rows, parameters.context), [batch, length]); // [b·t, dim] × [dim, 1]
  const weights = named(maskedSoftmax(scores, mask), ['batch', 'token']);
  return { pooled: weightedStates(weights, states), weights };
}

export type MultiHeadParameters = {
  readonly query: LinearParameters;
  readonly key: LinearParameters;
  readonly value: LinearParameters;
  readonly output: LinearParameters;
};

export function initializeMultiHead(random: Random, dim: number): Host<MultiHeadParameters> {
  const layer = (name: string) => initializeLinear(random.fork(name), dim, dim);
  return { query: layer('query'), key: layer('key'), value: layer('value'), output: layer('output') };
}

function splitHeads(states: tf.Tensor, heads: number): tf.Tensor {
  const [batch, length, dim] = states.shape as [number, number, number];
  return tf.transpose(tf.reshape(states, [batch, length, heads, dim / heads]), [0, 2, 1, 3]); // [b, head, t, dim/head]
}

/**
 * Scaled dot-product attention with several heads: [batch, query, dim] over [batch, token, dim] → [batch, query, dim].
 * Source: Vaswani et al., "Attention is all you need" (2017).
 */
export function attendMultiHead(
  parameters: MultiHeadParameters,
  queries: tf.Tensor,
  { states, mask }: Sequence,
  heads: number,
): tf.Tensor {
  const [batch, length, dim] = queries.shape as [number, number, number];
  const query = splitHeads(tf.mul(applyTokenLinear(parameters.query, queries), (dim / heads) ** -0.5), heads);
  const key = splitHeads(applyTokenLinear(parameters.key, states), heads);
  const value = splitHeads(applyTokenLinear(parameters.value, states), heads);
  const scores = tf.matMul(query, key, false, true); // [b, head, query, token]
  const weights = maskedSoftmax(scores, tf.expandDims(tf.expandDims(mask, 1), 1));
  const mixed = tf.transpose(tf.matMul(weights, value), [0, 2, 1, 3]); // → [b, query, head, dim/head]
  return applyTokenLinear(parameters.output, tf.reshape(mixed, [batch, length, dim]));
}

export type NormParameters = { readonly scale: tf.Tensor; readonly bias: tf.Tensor };

export function initializeNorm(dim: number): Host<NormParameters> {
  return { scale: hostTensor(new Float32Array(dim).fill(1), [dim]), bias: hostTensor(new Float32Array(dim), [dim]) };
}

const NORM_EPSILON = 1e-5;

/** Layer normalization over the last axis (Ba et al. 2016). */
export function applyNorm({ scale, bias }: NormParameters, states: tf.Tensor): tf.Tensor {
  const centered = tf.sub(states, tf.mean(states, -1, true));
  const variance = tf.mean(tf.square(centered), -1, true);
  return tf.add(tf.mul(tf.mul(centered, tf.rsqrt(tf.add(variance, NORM_EPSILON))), scale), bias);
}
