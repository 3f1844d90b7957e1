import * as tf from '@tensorflow/tfjs';
import { applyLinear, meanState, type LinearParameters } from '@drf/layers';
import { named, type Features, type Named } from '@drf/tensor';
import type { TokenInputs } from '@drf/model';

/** Neighbors of a word: so many before and after it; in the authors' form more. */
export const NEIGHBORS = 3;
const AUTHORS_NEIGHBORS = 5;
/** Stands where there is no edge, below every message. */
const NO_MESSAGE = -1e9;

export type TextGraphParameters = {
  /** From the measured state of a word to its node. */
  readonly projection: LinearParameters;
  /** What is learned of each word beside it, [words, dim]. */
  readonly offsets: tf.Tensor;
  /** Before its sigmoid: how much of itself a node keeps, []. */
  readonly keep?: tf.Tensor;
  /** In the authors' form in its place: learned weights of edges [words, words], and of pairs without one []. */
  readonly edges?: tf.Tensor;
  readonly otherEdge?: tf.Tensor;
};

type WordGraph = { readonly wordPieces: tf.Tensor; readonly wordStates: tf.Tensor; readonly wordEdges: tf.Tensor };

/** Where a text's pieces stand in the graph. */
export type Nodes = {
  /** int32 [batch, token]; 0 where there is none. */
  readonly nodes: tf.Tensor2D;
  /** Whether a piece has a node, [batch, token]. */
  readonly known: tf.Tensor;
  /** The same as ones among zeros, [batch, token, words]. */
  readonly oneHot: tf.Tensor3D;
};

/** Each piece's node in the graph. */
export function findNodes(pieces: tf.Tensor, mask: tf.Tensor, wordPieces: tf.Tensor): Nodes {
  const equal = tf.cast(tf.equal(tf.expandDims(tf.cast(pieces, 'float32'), 2), wordPieces), 'float32'); // [b, t, words]
  const oneHot = tf.mul<tf.Tensor3D>(equal, tf.expandDims(mask, 2));
  return { nodes: tf.argMax<tf.Tensor2D>(equal, -1), known: tf.max(oneHot, -1), oneHot };
}

/**
 * Rows of the table at each token's node; zeros where it has none. A product in place of a gather: its gradient is a
 * product, too, which takes a fraction of the time of adding rows up one by one. [words, dim] → [batch, token, dim]
 */
function statesOf(table: tf.Tensor, oneHot: tf.Tensor3D): tf.Tensor {
  const [batch, length, words] = oneHot.shape;
  return tf.reshape(tf.matMul(tf.reshape(oneHot, [batch * length, words]), table), [batch, length, -1]);
}

/** Moves tokens along their axis: place i of the result is place i + `by` of the input, or zeros. */
function shifted(values: tf.Tensor, by: number): tf.Tensor {
  const length = values.shape[1] as number;
  const rest = values.shape.slice(2).map(() => [0, 0] as [number, number]);
  const size = Math.max(0, length - Math.abs(by));
  const begin = [0, Math.max(0, by), ...rest.map(() => 0)];
  const kept = tf.slice(values, begin, [-1, size, ...rest.map(() => -1)]);
  return tf.pad(kept, [[0, 0], by < 0 ? [length - size, 0] : [0, length - size], ...rest]);
}

/**
 * Weights of a text's edges: `edges` of the nodes of a token and of the one `by` places after it; 0 where either has no
 * node. [batch, token]
 */
function textEdges(nodes: tf.Tensor2D, known: tf.Tensor, edges: tf.Tensor, by: number): tf.Tensor {
  const words = edges.shape[0];
  const other = shifted(nodes, by);
  const both = tf.mul(known, shifted(known, by));
  const places = tf.cast(tf.add(tf.mul(tf.cast(nodes, 'float32'), words), tf.cast(other, 'float32')), 'int32');
  return tf.mul(tf.gather(tf.reshape(edges, [-1]), places as tf.Tensor2D), both);
}

/**
 * A text's graph: its word pieces are nodes of the global graph, joined to those at most three places away by the global
 * edges. A node takes over the largest message, value by value, and keeps a learned share of itself:
 * rₙ' = η·rₙ + (1 − η)·max over neighbors a of eₐₙ·rₐ; the text is the mean of its nodes through ReLU.
 * Source: Huang et al., "Text level graph neural network for text classification" (EMNLP 2019), as MGNNS uses it.
 * With `edges` as the authors' code has it: learned weights in place of measured ones, neighbors five places away, no
 * share, and the sum of the nodes.
 * [batch, token] → [batch, dim]
 */
export function textGraphFeatures(
  { projection, offsets, keep, edges, otherEdge }: TextGraphParameters,
  { wordPieces, wordStates, wordEdges }: WordGraph,
  pieces: NonNullable<TokenInputs['pieces']>,
  mask: Named<['batch', 'token']>,
): Features {
  const { nodes, known, oneHot } = findNodes(pieces, mask, wordPieces);
  const table = tf.add(applyLinear(projection, wordStates), offsets); // [words, dim]
  const states = statesOf(table, oneHot);
  if (edges !== undefined && otherEdge !== undefined) {
    const isEdge = tf.cast(tf.greater(wordEdges, 0), 'float32');
    const learned = tf.add(tf.mul(edges, isEdge), tf.mul(tf.sub(1, isEdge), otherEdge)); // [words, words]
    const itself = tf.mul(states, tf.expandDims(textEdges(nodes, known, learned, 0), 2));
    const largest = largestMessage(itself, AUTHORS_NEIGHBORS, (by) => ({
      message: tf.mul(shifted(states, by), tf.expandDims(textEdges(nodes, known, learned, by), 2)),
      isAbsent: tf.sub(1, tf.mul(known, shifted(known, by))),
    }));
    const sum = tf.sum(tf.mul(largest, tf.expandDims(known, 2)), 1);
    return named(tf.relu(sum), ['batch', 'dim']);
  }
  // from itself: an edge of weight 1
  const largest = largestMessage(states, NEIGHBORS, (by) => {
    const weights = textEdges(nodes, known, wordEdges, by);
    return {
      message: tf.mul(shifted(states, by), tf.expandDims(weights, 2)),
      isAbsent: tf.cast(tf.lessEqual(weights, 0), 'float32'),
    };
  });
  const share = tf.sigmoid(keep as tf.Tensor);
  const updated = tf.add(tf.mul(states, share), tf.mul(largest, tf.sub(1, share)));
  return named(tf.relu(meanState(updated, known)), ['batch', 'dim']);
}

/** Value by value the largest of a node's own message and of its neighbors', so many on either side. [batch, token, dim] */
function largestMessage(
  own: tf.Tensor,
  neighbors: number,
  from: (by: number) => { readonly message: tf.Tensor; readonly isAbsent: tf.Tensor },
): tf.Tensor {
  let largest = own;
  for (let by = -neighbors; by <= neighbors; by++) {
    if (by === 0) continue;
    const { message, isAbsent } = from(by);
    largest = tf.maximum(largest, tf.add(message, tf.mul(tf.expandDims(isAbsent, 2), NO_MESSAGE)));
  }
  return largest;
}
