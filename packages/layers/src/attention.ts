import * as tf from '@tensorflow/tfjs';
import { named, type Features, type Host, type Named, type Random } from '@drf/tensor';
import { dropOut } from './dropout.js';
import { recompute } from './gradient.js';
import { applyLinear, initializeLinear, type LinearMap, type LinearParameters } from './linear.js';
import type { LoraOptions } from './lora.js';
import type { Sequence } from './sequence.js';

/** The most negative float32. Added to a score it wins over any score, and stays finite where every score has it. */
const PADDING_SCORE = -3.4028234663852886e38;

/** What is added to scores so that nothing attends to padding: 0 where the mask is 1, and the lowest number where it is 0. */
function paddingOf(mask: tf.Tensor): tf.Tensor {
  return tf.mul(tf.sub(1, tf.cast(mask, 'float32')), PADDING_SCORE);
}

/**
 * What is added to the scores so that nothing attends to padding: mask [batch, length] (1 token, 0 padding) →
 * [batch, 1, 1, length]. A row without any token attends to all places alike, as in the reference implementation.
 */
export function paddingScores(mask: tf.Tensor): tf.Tensor {
  const [batch, length] = mask.shape as [number, number];
  return tf.reshape(paddingOf(mask), [batch, 1, 1, length]);
}

/** Softmax over the last axis among what the mask counts; uniform where it counts nothing. */
export function maskedSoftmax(scores: tf.Tensor, mask: tf.Tensor): tf.Tensor {
  return tf.softmax(tf.add(scores, paddingOf(mask)));
}

/** [batch, length, dim] → [batch, head, length, dim / heads] */
function splitHeads(x: tf.Tensor, heads: number): tf.Tensor {
  const [batch, length, dim] = x.shape as [number, number, number];
  return tf.transpose(tf.reshape(x, [batch, length, heads, dim / heads]), [0, 2, 1, 3]);
}

/** How queries meet keys. */
export interface AttentionOptions {
  /** Must divide the width. */
  readonly heads: number;
  /** [batch, 1, 1, token], see {@link paddingScores}. */
  readonly padding?: tf.Tensor | undefined;
  /** Of the attention weights, in training: the arguments of `dropOut`. */
  readonly dropout?: { readonly rate: number; readonly seeds: tf.Tensor; readonly place: number } | undefined;
  /**
   * Whether the gradient computes the weights anew, or they are kept; default true. What comes out may differ in the
   * last bit: MGNNS keeps them, so that its results stay what they were.
   */
  readonly recompute?: boolean;
}

/** softmax(Q·Kᵀ + padding)·V, each [batch, head, length, dim / heads] */
function mixValues(
  [query, key, value, ...others]: readonly tf.Tensor[],
  { padding, dropout }: Pick<AttentionOptions, 'padding' | 'dropout'>,
): tf.Tensor {
  const products = tf.matMul(query as tf.Tensor, key as tf.Tensor, false, true); // → [batch, head, query, token]
  const weights = tf.softmax(padding === undefined ? products : tf.add(products, others[0] as tf.Tensor));
  const kept =
    dropout === undefined ? weights : dropOut(weights, dropout.rate, others.at(-1) as tf.Tensor, dropout.place);
  return tf.matMul(kept, value as tf.Tensor); // → [batch, head, query, dim / heads]
}

/**
 * Scaled dot-product attention with several heads, softmax(Q·Kᵀ/√d + padding)·V for each, joined: [batch, query, dim],
 * [batch, token, dim] twice → [batch, query, dim]. For the gradient queries, keys and values are kept, not the weights
 * [batch, head, query, token], unless the options say otherwise.
 * Source: Vaswani et al., "Attention is all you need" (NeurIPS 2017), Eq. 1.
 */
export function attend(query: tf.Tensor, key: tf.Tensor, value: tf.Tensor, options: AttentionOptions): tf.Tensor {
  const { heads, padding, dropout, recompute: isRecomputed = true } = options;
  const dim = query.shape[2] as number;
  const scaled = tf.mul(query, (dim / heads) ** -0.5);
  const inputs = [scaled, key, value].map((each) => splitHeads(each, heads));
  const others = [...(padding === undefined ? [] : [padding]), ...(dropout === undefined ? [] : [dropout.seeds])];
  const mix = (given: readonly tf.Tensor[]): tf.Tensor => mixValues(given, { padding, dropout });
  const all = [...inputs, ...others];
  const mixed = isRecomputed ? recompute(mix, all, { onlyCompiled: true }) : mix(all);
  return tf.reshape(tf.transpose(mixed, [0, 2, 1, 3]), query.shape);
}

/** Of attention: four linear maps of the same width. */
export type AttentionParameters = {
  readonly query: LinearMap;
  readonly key: LinearMap;
  readonly value: LinearMap;
  readonly output: LinearMap;
};

/** Linear maps as {@link initializeLinear} draws them. */
export function initializeAttention(random: Random, dim: number) {
  const map = (name: string) => initializeLinear(random.fork(name), dim, dim);
  return { query: map('query'), key: map('key'), value: map('value'), output: map('output') };
}

/**
 * Multi-head attention with its linear maps: [batch, query, dim] over [batch, token, dim] → [batch, query, dim]. With
 * the same tensor twice it is self-attention.
 * @example
 * applyAttention(parameters, states, states, { heads: 4, padding: paddingScores(mask) });
 */
export function applyAttention(
  parameters: AttentionParameters,
  queries: tf.Tensor,
  states: tf.Tensor,
  options: AttentionOptions & { readonly lora?: LoraOptions | undefined },
): tf.Tensor {
  const query = applyLinear(parameters.query, queries, options.lora);
  const key = applyLinear(parameters.key, states, options.lora);
  const value = applyLinear(parameters.value, states, options.lora);
  return applyLinear(parameters.output, attend(query, key, value, options), options.lora);
}

/** Of attention with context: a map of each token, one of the query if there is one, and the context vector. */
export type ContextAttentionParameters = {
  readonly token: LinearParameters;
  readonly query?: LinearParameters;
  /** [dim, 1] */
  readonly context: tf.Tensor;
};

/** @param hasQuery whether something guides the attention */
export function initializeContextAttention(
  random: Random,
  dim: number,
  hasQuery: boolean,
): Host<ContextAttentionParameters> {
  return {
    token: initializeLinear(random.fork('token'), dim, dim),
    ...(hasQuery ? { query: initializeLinear(random.fork('query'), dim, dim) } : {}),
    context: initializeLinear(random.fork('context'), dim, 1).kernel,
  };
}

/** What an attention gives: the weighted sum and its weights. */
export type Attended = { readonly pooled: Features; readonly weights: Named<['batch', 'token']> };

/**
 * αᵢ = softmax(cᵀ·tanh(W·xᵢ + b + U·q)) over what the mask counts; Σ αᵢ·xᵢ.
 * Source: Yang et al., "Hierarchical attention networks for document classification" (NAACL 2016), Eq. 5-7, with a
 * query added to the layer where one guides it.
 * @param query [batch, dim]
 */
export function attendWithContext(
  parameters: ContextAttentionParameters,
  { states, mask }: Sequence,
  query?: tf.Tensor,
): Attended {
  const [batch, length] = states.shape as [number, number, number];
  const own = applyLinear(parameters.token, states); // [batch, token, dim]
  const guided =
    query === undefined || parameters.query === undefined
      ? own
      : tf.add(own, tf.expandDims(applyLinear(parameters.query, query), 1));
  const rows = tf.reshape(tf.tanh(guided), [batch * length, -1]);
  const scores = tf.reshape(tf.matMul(rows, parameters.context), [batch, length]); // [b·t, dim] × [dim, 1]
  const weights = named(maskedSoftmax(scores, mask), ['batch', 'token']);
  const pooled = tf.squeeze(tf.matMul(tf.expandDims(weights, 1), states), [1]); // [batch, 1, token] × [batch, token, dim]
  return { pooled: named(pooled, ['batch', 'dim']), weights };
}
