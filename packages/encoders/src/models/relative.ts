import * as tf from '@tensorflow/tfjs';
import { applyNorm, atDistance, lookUp, type NormParameters, type SharedScores } from '@drf/layers';
import { normWeights, tableWeight, type Weight } from './weights.js';

/** How tokens see how far away others are, without positions of their own. */
export type RelativePositions =
  /** A number for each head and bucket of distances, added to the scores of all layers. */
  | { readonly kind: 'bias'; readonly buckets: number; readonly longest: number }
  /** Vectors for buckets of distances, which meet queries and keys in every layer. */
  | {
      readonly kind: 'disentangled';
      /** Distances from here on share buckets; 0: none do. */
      readonly buckets: number;
      /** The greatest distance that is told from greater ones. */
      readonly greatest: number;
      /** Most tokens of a text. */
      readonly longest: number;
      readonly toKeys: boolean;
      readonly toQueries: boolean;
      /** Whether the vectors are normalized. */
      readonly normalized: boolean;
    };

export type RelativeParameters = { readonly table: tf.Tensor; readonly norm?: NormParameters };

/** Half of the rows of DeBERTa's table: distances of either sign. */
function span({ buckets, greatest }: Extract<RelativePositions, { kind: 'disentangled' }>): number {
  return buckets > 0 ? buckets : greatest;
}

export function relativeWeights(relative: RelativePositions, hiddenSize: number, heads: number): Weight[] {
  if (relative.kind === 'bias') {
    return [tableWeight('relative.table', 'encoder.relative_attention_bias.weight', [relative.buckets, heads])];
  }
  const rows = 2 * span(relative);
  return [
    tableWeight('relative.table', 'encoder.rel_embeddings.weight', [rows, hiddenSize]),
    ...(relative.normalized ? normWeights('relative.norm', 'encoder.LayerNorm', hiddenSize) : []),
  ];
}

/**
 * MPNet's bucket of a token so far behind the query (as T5's): one each for near ones, logarithmic for far ones. In
 * float32 steps, as PyTorch takes them.
 * Source: `MPNetEncoder.relative_position_bucket` of transformers.
 */
export function biasBucket(ahead: number, buckets: number): number {
  const half = buckets / 2;
  const exact = half / 2;
  const distance = Math.abs(ahead);
  const side = ahead > 0 ? half : 0;
  if (distance < exact) return side + distance;
  const share = Math.fround(Math.fround(Math.log(Math.fround(distance / exact))) / Math.fround(Math.log(128 / exact)));
  return side + Math.min(exact + Math.trunc(Math.fround(share * (half - exact))), half - 1);
}

/**
 * DeBERTa's bucket of a distance, of either sign: itself up to half of the buckets, logarithmic beyond. In float32 steps,
 * as PyTorch takes them.
 * Source: `make_log_bucket_position` of transformers' DebertaV2.
 */
export function logBucket(distance: number, buckets: number, greatest: number): number {
  const middle = Math.floor(buckets / 2);
  const size = Math.abs(distance);
  if (buckets <= 0 || size <= middle) return distance;
  const log = (x: number): number => Math.fround(Math.log(Math.fround(x)));
  const share = Math.fround(log(size / middle) / log((greatest - 1) / middle));
  return Math.sign(distance) * (Math.ceil(Math.fround(share * (middle - 1))) + middle);
}

/**
 * What all layers read of relative places.
 * @param places float32 [token]: 0, 1, 2 …
 */
export function applyRelative(
  relative: RelativePositions,
  { table, norm }: RelativeParameters,
  places: tf.Tensor,
  epsilon: number,
): SharedScores {
  const { longest } = relative;
  const length = places.shape[0];
  const last = tf.slice(places, [length - 1], [1]);
  const ahead = tf.concat([tf.sub(places, last), tf.slice(tf.add(places, 1), [0], [length - 1])]); // −n+1 … n−1
  const row = tf.cast(tf.add(ahead, longest - 1), 'int32'); // of the tables below
  /** Rows of the embeddings by a function of the distance, which is tabled for the longest text. */
  const rows = (ofDistance: (ahead: number) => number): tf.Tensor => {
    const known = Int32Array.from({ length: 2 * longest - 1 }, (_, i) => ofDistance(i - longest + 1));
    return lookUp(table, tf.gather(tf.tensor1d(known, 'int32'), row));
  };
  if (relative.kind === 'bias') {
    const heads = table.shape[1] as number;
    const byDistance = tf.transpose(
      rows((each) => biasBucket(each, relative.buckets)),
      [1, 0],
    ); // [head, distance]
    const repeated = tf.tile(tf.reshape(byDistance, [1, heads, 1, 2 * length - 1]), [1, 1, length, 1]);
    return { bias: atDistance(repeated) };
  }
  const half = span(relative);
  const behind = (each: number): number =>
    Math.min(Math.max(logBucket(-each, relative.buckets, relative.greatest) + half, 0), 2 * half - 1);
  const normalized = (vectors: tf.Tensor): tf.Tensor =>
    norm === undefined ? vectors : applyNorm(norm, vectors, { epsilon });
  return {
    relative: {
      ...(relative.toKeys ? { keys: normalized(rows(behind)) } : {}),
      ...(relative.toQueries ? { queries: normalized(rows((each) => behind(-each))) } : {}),
    },
  };
}
