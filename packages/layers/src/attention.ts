import * as tf from '@tensorflow/tfjs';
import { recompute } from '@drf/engine';
import type { TensorTree } from '@drf/tensor';
import { dropOut } from './dropout.js';
import { applyLinear } from './linear.js';
import type { LoraOptions } from './lora.js';

/** The most negative float32. Added to a score it wins over any score, and stays finite where every score has it. */
const PADDING_SCORE = -3.4028234663852886e38;

/**
 * What is added to the scores so that nothing attends to padding: int32 mask [batch, length] (1 token, 0 padding) →
 * [batch, 1, 1, length]. A row without any token attends to all places alike, as in the reference implementation.
 */
export function paddingScores(mask: tf.Tensor): tf.Tensor {
  const [batch, length] = mask.shape as [number, number];
  return tf.reshape(tf.mul(tf.sub(1, tf.cast(mask, 'float32')), PADDING_SCORE), [batch, 1, 1, length]);
}

/** [batch, length, dim] → [batch, head, length, dim / heads] */
function splitHeads(x: tf.Tensor, heads: number): tf.Tensor {
  const [batch, length, dim] = x.shape as [number, number, number];
  return tf.transpose(tf.reshape(x, [batch, length, heads, dim / heads]), [0, 2, 1, 3]);
}

export interface AttentionOptions {
  readonly heads: number;
  /** [batch, 1, 1, length], see {@link paddingScores}. */
  readonly padding?: tf.Tensor;
  readonly lora?: LoraOptions;
  /** Of the attention weights, in training. */
  readonly dropout?: AttentionDropout | undefined;
}

/** As the arguments of {@link dropOut}. */
export interface AttentionDropout {
  readonly rate: number;
  readonly seeds: tf.Tensor;
  readonly place: number;
}

/** softmax(Q·Kᵀ + padding)·V, each [batch, head, length, dim / heads] */
function attend(
  [query, key, value, ...others]: readonly tf.Tensor[],
  { padding, dropout }: Pick<AttentionOptions, 'padding' | 'dropout'>,
): tf.Tensor {
  const products = tf.matMul(query as tf.Tensor, key as tf.Tensor, false, true); // → [batch, head, length, length]
  const weights = tf.softmax(padding === undefined ? products : tf.add(products, others[0] as tf.Tensor));
  const kept =
    dropout === undefined ? weights : dropOut(weights, dropout.rate, others.at(-1) as tf.Tensor, dropout.place);
  return tf.matMul(kept, value as tf.Tensor); // → [batch, head, length, dim / heads]
}

/**
 * Multi-head self-attention, softmax(Q·Kᵀ/√d + padding)·V for each head, joined and mapped: [batch, length, dim] → the
 * same. For the gradient queries, keys and values are kept, not the weights [batch, head, length, length].
 * Source: Vaswani et al., "Attention is all you need" (NeurIPS 2017), Eq. 1.
 */
export function applyAttention(parameters: TensorTree, x: tf.Tensor, options: AttentionOptions): tf.Tensor {
  const { heads, padding, lora, dropout } = options;
  const dim = x.shape[2] as number;
  const project = (name: string): tf.Tensor => applyLinear(parameters[name] as TensorTree, x, lora);
  const query = splitHeads(tf.mul(project('query'), (dim / heads) ** -0.5), heads);
  const key = splitHeads(project('key'), heads);
  const value = splitHeads(project('value'), heads);
  const others = [...(padding === undefined ? [] : [padding]), ...(dropout === undefined ? [] : [dropout.seeds])];
  const mixed = recompute((given) => attend(given, { padding, dropout }), [query, key, value, ...others], {
    onlyCompiled: true,
  });
  const joined = tf.reshape(tf.transpose(mixed, [0, 2, 1, 3]), x.shape);
  return applyLinear(parameters['output'] as TensorTree, joined, lora);
}
