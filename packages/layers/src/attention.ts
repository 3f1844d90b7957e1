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
  /** Added to the scores, which are [batch, head, query, token]: {@link paddingScores}, or anything that broadcasts. */
  readonly padding?: tf.Tensor | undefined;
  /** Factor of the scores; default 1/√(dim / heads). */
  readonly scale?: number;
  /** Turns queries and keys, which are [batch, head, token, dim / heads], by where they stand: {@link rotaryTables}. */
  readonly rotary?: RotaryTables | undefined;
  /** Scores of contents with relative places. */
  readonly relative?: RelativePlaces | undefined;
  /** Of the attention weights, in training: the arguments of `dropOut`. */
  readonly dropout?: { readonly rate: number; readonly seeds: tf.Tensor; readonly place: number } | undefined;
  /**
   * Whether the gradient computes the weights anew, or they are kept; default true. What comes out may differ in the
   * last bit: MGNNS keeps them, so that its results stay what they were.
   */
  readonly recompute?: boolean;
}

/**
 * Mapped embeddings of the relative places of a sequence of n tokens, each [2·n − 1, dim]; see {@link atDistance} for
 * their order. `keys` meet queries (row r is for a key r − n + 1 places behind the query), `queries` meet keys (row r is
 * for a query r − n + 1 places behind the key).
 */
export type RelativePlaces = { readonly keys?: tf.Tensor; readonly queries?: tf.Tensor };

/** Cosines and sines of the angles of each place, both [token, dim / heads / 2]. */
export type RotaryTables = { readonly cosines: tf.Tensor; readonly sines: tf.Tensor };

/**
 * Angles place · base^(−2i/dim) of rotary position embeddings.
 * Source: Su et al., "RoFormer: Enhanced transformer with rotary position embedding" (2021).
 * @param positions float32 [token]
 * @param dim of a head
 */
export function rotaryTables(positions: tf.Tensor, dim: number, base: number): RotaryTables {
  const frequencies = Float32Array.from({ length: dim / 2 }, (_, i) => base ** ((-2 * i) / dim));
  const angles = tf.mul(tf.expandDims(positions, 1), tf.tensor2d(frequencies, [1, dim / 2]));
  return { cosines: tf.cos(angles), sines: tf.sin(angles) };
}

/** Turns each pair (i, i + dim/2) of the last axis by its place's angle: [batch, head, token, dim] → the same */
function rotate(x: tf.Tensor, { cosines, sines }: RotaryTables): tf.Tensor {
  const [batch, heads, length, dim] = x.shape as [number, number, number, number];
  const half = [batch, heads, length, dim / 2];
  const [first, second] = [tf.slice(x, [0, 0, 0, 0], half), tf.slice(x, [0, 0, 0, dim / 2], half)];
  const turned = [
    tf.sub(tf.mul(first, cosines), tf.mul(second, sines)),
    tf.add(tf.mul(second, cosines), tf.mul(first, sines)),
  ];
  return tf.concat(turned, 3);
}

/**
 * Numbers by relative place as numbers by place: [a, b, n, 2·n − 1] → [a, b, n, n], where row i, column j of the result is
 * row i, column j − i + n − 1 of what is given. Moves numbers only.
 * Source: Dai et al., "Transformer-XL" (ACL 2019), appendix B, with distances of both signs.
 */
export function atDistance(x: tf.Tensor): tf.Tensor {
  const [first, second, length, distances] = x.shape as [number, number, number, number];
  const padded = tf.pad(x, [[0, 0], [0, 0], [0, 0], [1, 0]]); // prettier-ignore
  const turned = tf.reshape(padded, [first, second, distances + 1, length]);
  const kept = tf.slice(turned, [0, 0, 1, 0], [first, second, distances, length]);
  const shifted = tf.reshape(kept, [first, second, length, distances]);
  return tf.slice(shifted, [0, 0, 0, 0], [first, second, length, length]);
}

/**
 * Scores of contents with relative places, [batch, head, n, dim] and [2·n − 1, head · dim] → [head, batch, n, n]: row i,
 * column j is content i · place of j seen from i.
 */
function scoresByPlace(contents: tf.Tensor, places: tf.Tensor): tf.Tensor {
  const [batch, heads, length, dim] = contents.shape as [number, number, number, number];
  const distances = places.shape[0];
  const rows = tf.reshape(tf.transpose(contents, [1, 0, 2, 3]), [heads, batch * length, dim]);
  const columns = tf.transpose(tf.reshape(places, [distances, heads, dim]), [1, 2, 0]); // [head, dim, distance]
  return atDistance(tf.reshape(tf.matMul(rows, columns), [heads, batch, length, distances]));
}

/** What attention is computed from, [batch, head, length, dim / heads] unless said otherwise where they come from. */
type Mixed = {
  readonly query: tf.Tensor;
  readonly key: tf.Tensor;
  readonly value: tf.Tensor;
  readonly padding?: tf.Tensor | undefined;
  readonly seeds?: tf.Tensor | undefined;
  readonly placesOfKeys?: tf.Tensor | undefined;
  readonly placesOfQueries?: tf.Tensor | undefined;
};

/** Q·Kᵀ, and with relative places Q·Rₖᵀ + (K·R_qᵀ)ᵀ at each pair's distance: [batch, head, query, token] */
function scoresOf({ query, key, placesOfKeys, placesOfQueries }: Mixed): tf.Tensor {
  const scores = tf.matMul(query, key, false, true);
  const placed = [
    ...(placesOfKeys === undefined ? [] : [scoresByPlace(query, placesOfKeys)]),
    ...(placesOfQueries === undefined ? [] : [tf.transpose(scoresByPlace(key, placesOfQueries), [0, 1, 3, 2])]),
  ]; // [head, batch, query, token]
  return placed.reduce((sum, each) => tf.add(sum, tf.transpose(each, [1, 0, 2, 3])), scores);
}

/** softmax(scores + padding)·V */
function mixValues(mixed: Mixed, dropout: AttentionOptions['dropout']): tf.Tensor {
  const { value, padding, seeds } = mixed;
  const scores = scoresOf(mixed);
  const weights = tf.softmax(padding === undefined ? scores : tf.add(scores, padding));
  const kept = dropout === undefined ? weights : dropOut(weights, dropout.rate, seeds as tf.Tensor, dropout.place);
  return tf.matMul(kept, value); // → [batch, head, query, dim / heads]
}

/**
 * Scaled dot-product attention with several heads, softmax(Q·Kᵀ/√d + padding)·V for each, joined: [batch, query, dim],
 * [batch, token, dim] twice → [batch, query, dim]. For the gradient queries, keys and values are kept, not the weights
 * [batch, head, query, token], unless the options say otherwise.
 * Source: Vaswani et al., "Attention is all you need" (NeurIPS 2017), Eq. 1.
 */
export function attend(query: tf.Tensor, key: tf.Tensor, value: tf.Tensor, options: AttentionOptions): tf.Tensor {
  const { heads, padding, rotary, relative, dropout, recompute: isRecomputed = true } = options;
  const dim = query.shape[2] as number;
  const { scale = (dim / heads) ** -0.5 } = options;
  const turn = (x: tf.Tensor): tf.Tensor => (rotary === undefined ? x : rotate(x, rotary));
  const mixed: Mixed = {
    query: turn(splitHeads(tf.mul(query, scale), heads)),
    key: turn(splitHeads(key, heads)),
    value: splitHeads(value, heads),
    padding,
    seeds: dropout?.seeds,
    placesOfKeys: relative?.keys,
    placesOfQueries: relative?.queries === undefined ? undefined : tf.mul(relative.queries, scale),
  };
  const given = Object.entries(mixed).flatMap(([name, tensor]) =>
    tensor === undefined ? [] : [[name, tensor] as const],
  );
  const mix = (tensors: readonly tf.Tensor[]): tf.Tensor =>
    mixValues(Object.fromEntries(given.map(([name], i) => [name, tensors[i]])) as Mixed, dropout);
  const all = given.map(([, tensor]) => tensor);
  const joined = isRecomputed ? recompute(mix, all, { onlyCompiled: true }) : mix(all);
  return tf.reshape(tf.transpose(joined, [0, 2, 1, 3]), query.shape);
}

/** Of attention: four linear maps of the same width, and of relative places where they have maps of their own. */
export type AttentionParameters = {
  readonly query: LinearMap;
  readonly key: LinearMap;
  readonly value: LinearMap;
  readonly output: LinearMap;
  readonly placeQuery?: LinearMap;
  readonly placeKey?: LinearMap;
};

/** Linear maps as {@link initializeLinear} draws them. */
export function initializeAttention(random: Random, dim: number) {
  const map = (name: string) => initializeLinear(random.fork(name), dim, dim);
  return { query: map('query'), key: map('key'), value: map('value'), output: map('output') };
}

/**
 * Embeddings of relative places as queries and keys: through maps of their own, else those of the tokens.
 * Source: He et al., "DeBERTa: Decoding-enhanced BERT with disentangled attention" (ICLR 2021), Eq. 4.
 */
function mapPlaces(
  parameters: AttentionParameters,
  { keys, queries }: RelativePlaces,
  lora: LoraOptions | undefined,
): RelativePlaces {
  const { query, key, placeQuery = query, placeKey = key } = parameters;
  return {
    ...(keys === undefined ? {} : { keys: applyLinear(placeKey, keys, lora) }),
    ...(queries === undefined ? {} : { queries: applyLinear(placeQuery, queries, lora) }),
  };
}

/**
 * Multi-head attention with its linear maps: [batch, query, dim] over [batch, token, dim] → [batch, query, dim]. With
 * the same tensor twice it is self-attention. Relative places are given as embeddings [2·n − 1, dim] before their maps.
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
  const relative = options.relative && mapPlaces(parameters, options.relative, options.lora);
  return applyLinear(parameters.output, attend(query, key, value, { ...options, relative }), options.lora);
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
