import type * as tf from '@tensorflow/tfjs';
import { refuser, ShapeMismatchError } from './errors.js';
import type { HostTensor } from './host.js';

declare const axesOf: unique symbol;

/**
 * A tfjs tensor whose axes carry names in its type: `Named<['batch', 'dim']>` does not fit where
 * `Named<['dim', 'batch']>` is due. The names exist at compile time only and cost nothing at run time.
 */
export type Named<Axes extends readonly string[]> = tf.Tensor & { readonly [axesOf]: Axes };

/**
 * A host tensor whose axes carry the names of the {@link Named} tensor that it becomes inside an engine. One without
 * names fits anywhere; one of `['batch', 'dim']` does not fit where `['capacity', 'dim']` is due.
 */
export type NamedHost<Axes extends readonly string[]> = HostTensor & { readonly [axesOf]?: Axes };

/** Encoder outputs or their projections: one row a post. Shape [batch, dim]. */
export type Features = Named<['batch', 'dim']>;
/** The rows of a feature queue. Shape [capacity, dim]. */
export type QueueRows = Named<['capacity', 'dim']>;
/** One vector in feature space, such as a queue's mean. Shape [dim]. */
export type FeatureVector = Named<['dim']>;
/** One number a post: an availability (1 present, 0 missing), a density, a loss. Shape [batch]. */
export type PerPost = Named<['batch']>;
/** Class scores before or after softmax. Shape [batch, classes]. */
export type ClassScores = Named<['batch', 'classes']>;
/** One number for each of a post's three pairs. Shape [batch, pair]. */
export type PerPair = Named<['batch', 'pair']>;
/** A single number. Shape []. */
export type Scalar = Named<[]>;

type MutableAxes<Axes extends readonly string[]> = [...Axes];

/**
 * Gives a tensor its axis names after checking its rank.
 * @throws ShapeMismatchError when the tensor's rank is not the number of names.
 */
export function named<const Axes extends readonly string[]>(tensor: tf.Tensor, axes: Axes): Named<MutableAxes<Axes>> {
  if (tensor.rank !== axes.length) {
    throw new ShapeMismatchError({
      subject: 'named',
      expected: `a tensor of rank ${axes.length} with axes [${axes.join(', ')}]`,
      received: `shape [${tensor.shape.join(', ')}]`,
    });
  }
  return tensor as Named<MutableAxes<Axes>>;
}

/** A size, or `'*'` where any size will do. */
export type ExpectedSize = number | '*';

/**
 * Checks a shape at a package's edge.
 * @param subject who asks ("FeatureQueue.enqueue")
 * @param remedy what the caller can do ("check the encoder's outputDim")
 * @throws ShapeMismatchError "FeatureQueue.enqueue expected [*, 768], received [32, 512]; check …"
 */
export function assertShape(
  subject: string,
  value: { readonly shape: readonly number[] },
  expected: readonly ExpectedSize[],
  remedy?: string,
): void {
  const { shape } = value;
  const fits = shape.length === expected.length && expected.every((size, i) => size === '*' || size === shape[i]);
  if (!fits) {
    throw refuser(ShapeMismatchError, subject)(`[${expected.join(', ')}]`, `[${shape.join(', ')}]`, remedy);
  }
}
