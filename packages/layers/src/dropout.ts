import * as tf from '@tensorflow/tfjs';
import { hostTensor, type HostTensor, type Random } from '@drf/tensor';

/** Shares of values that are set to zero while an encoder is trained. */
export interface DropoutRates {
  /** Of embeddings and of what a layer adds. */
  readonly hidden: number;
  /** Of attention weights. */
  readonly attention: number;
}

/** Dropout in a step: rates, and what decides which values are dropped. */
export interface Dropout extends DropoutRates {
  /** int32 [batch, 4], random numbers from 1 to 4,090 for each post: the same ones give the same values. */
  readonly seeds: tf.Tensor;
}

/** Random numbers for each post. */
const SEEDS = 4;
/** The largest prime below 2¹² that is 2 modulo 3: products are whole numbers in float32, and cubes differ. */
const DROPOUT_MODULUS = 4091;

/** {@link Dropout.seeds} of posts, int32 [posts, 4], each out of a stream of its own. */
export function dropoutSeeds(streams: readonly Random[]): HostTensor {
  const numbers = streams.flatMap((random) =>
    Array.from({ length: SEEDS }, () => 1 + random.integer(DROPOUT_MODULUS - 1)),
  );
  return hostTensor(Int32Array.from(numbers), [streams.length, SEEDS]);
}

/** Remainders of whole numbers below 2²⁴ in float32, exactly: a quotient is at least 1/4091 away from a wrong floor. */
function remainder(x: tf.Tensor): tf.Tensor {
  return tf.sub(x, tf.mul(tf.floor(tf.div(x, DROPOUT_MODULUS)), DROPOUT_MODULUS));
}

function cube(x: tf.Tensor): tf.Tensor {
  return remainder(tf.mul(remainder(tf.square(x)), x));
}

/** For each post and number 0, 1, 2 … a value below the modulus, all different up to that: [batch, count] */
function keys(seeds: tf.Tensor, first: number, count: number, place: number): tf.Tensor {
  const batch = seeds.shape[0];
  const own = (index: number): tf.Tensor => tf.slice(seeds, [0, index], [batch, 1]);
  const places = Array.from({ length: count }, (_, i) => i % DROPOUT_MODULUS);
  const rounds = Array.from({ length: count }, (_, i) => 577 * Math.floor(i / DROPOUT_MODULUS));
  const moved = tf.add(own(first + 1), tf.add(tf.tensor2d([rounds]), (place * 1103) % DROPOUT_MODULUS));
  return cube(remainder(tf.add(tf.mul(tf.tensor2d([places]), own(first)), moved)));
}

/**
 * Sets a share of the values to zero and scales the others up so that means stay: [batch, …, dim] → the same. Which ones
 * is a function of the seeds and of nothing else, exact in float32, so that a step repeats, on every engine, and a layer
 * that is computed anew drops the same values. Two values of one post are dropped independently of one another (a hash
 * a·c + b modulo a prime, of keys that differ from row to row and from column to column; Carter and Wegman 1979).
 * Source: Srivastava et al., "Dropout" (JMLR 2014).
 * @param rate from 0, below 1; 0 changes nothing
 * @param seeds as in {@link Dropout}
 * @param place a number of its own for each use in a model
 */
export function dropOut(x: tf.Tensor, rate: number, seeds: tf.Tensor, place: number): tf.Tensor {
  if (rate === 0) return x;
  const batch = x.shape[0];
  const columns = x.shape.at(-1) as number;
  const rows = x.size / batch / columns;
  const numbers = tf.cast(seeds, 'float32');
  const ofRows = tf.expandDims(keys(numbers, 0, rows, place), 2); // [batch, rows, 1]
  const ofColumns = tf.expandDims(keys(numbers, 2, columns, place), 1); // [batch, 1, columns]
  const offsets = cube(remainder(tf.add(ofColumns, place + 1)));
  const drawn = remainder(tf.add(tf.mul(ofRows, ofColumns), offsets)); // [batch, rows, columns]
  const dropped = Math.round(rate * DROPOUT_MODULUS);
  const kept = tf.cast(tf.greaterEqual(drawn, dropped), 'float32');
  const scale = DROPOUT_MODULUS / (DROPOUT_MODULUS - dropped);
  return tf.mul(x, tf.reshape(tf.mul(kept, scale), x.shape));
}
