import * as tf from '@tensorflow/tfjs';
import {
  applyAttention,
  applyLinear,
  initializeAttention,
  initializeLinear,
  type AttentionParameters,
  type LinearParameters,
  type Sequence,
} from '@drf/layers';
import { hostTensor, named, type Features, type Host, type Random } from '@drf/tensor';

export type ImageGraphParameters = {
  readonly layer1: LinearParameters;
  readonly layer2: LinearParameters;
  /** One query a class, [classes, dim]. */
  readonly sentiments: tf.Tensor;
  readonly attention: AttentionParameters;
  readonly output: LinearParameters;
};

export function initializeImageGraph(
  random: Random,
  width: number,
  dim: number,
  classes: number,
): Host<ImageGraphParameters> {
  const queries = random.fork('sentiments');
  const draws = Float32Array.from({ length: classes * dim }, () => queries.normal() / Math.sqrt(dim));
  return {
    layer1: initializeLinear(random.fork('layer1'), width, dim),
    layer2: initializeLinear(random.fork('layer2'), dim, dim),
    sentiments: hostTensor(draws, [classes, dim]),
    attention: initializeAttention(random.fork('attention'), dim),
    output: initializeLinear(random.fork('output'), classes * dim, dim),
  };
}

/**
 * Nodes after two layers of graph convolution, A·LeakyReLU(A·X·W₁)·W₂. [nodes, width] → [nodes, dim]
 * Source: Kipf and Welling, "Semi-supervised classification with graph convolutional networks" (ICLR 2017).
 */
export function convolveGraph(
  { layer1, layer2 }: ImageGraphParameters,
  states: tf.Tensor,
  edges: tf.Tensor,
): tf.Tensor {
  const first = tf.leakyRelu(tf.matMul(edges, applyLinear(layer1, states)), 0.2);
  return tf.matMul(edges, applyLinear(layer2, first));
}

/**
 * What an image shows of a graph's nodes: how well its best matching token fits each, then, with awareness of sentiment,
 * one question a class asked of the nodes by how present they are. [batch, token, dim] → [batch, dim]
 */
export function imageGraphFeatures(
  parameters: ImageGraphParameters,
  nodes: tf.Tensor,
  { states, mask }: Sequence,
  heads: number,
): Features {
  const [batch, length, dim] = states.shape as [number, number, number];
  const count = nodes.shape[0];
  const rows = tf.reshape(states, [batch * length, dim]);
  const fits = tf.mul(tf.reshape(tf.matMul(rows, nodes, false, true), [batch, length, count]), dim ** -0.5);
  const presence = tf.max(tf.mul(tf.sigmoid(fits), tf.expandDims(mask, 2)), 1); // [batch, nodes], 0 … 1
  const present = tf.mul(tf.expandDims(presence, 2), tf.expandDims(nodes, 0)); // [batch, nodes, dim]
  const questions = tf.tile(tf.expandDims(parameters.sentiments, 0), [batch, 1, 1]); // [batch, classes, dim]
  const answers = applyAttention(parameters.attention, questions, present, { heads, recompute: false }); // [batch, classes, dim]
  return named(tf.relu(applyLinear(parameters.output, tf.reshape(answers, [batch, -1]))), ['batch', 'dim']);
}
