import * as tf from '@tensorflow/tfjs';
import { named, type Features, type Named, type TensorTree } from '@drf/tensor';

const HEADS = 4;
const NORM_EPSILON = 1e-6;
/** Added to the scores of padding, so that its weight is 0 after softmax. */
const PADDING_SCORE = -1e9;

/** Token ids int32 [batch, length] and a mask float32 [batch, length] (1 token, 0 padding). */
export type SentenceInputs = { readonly tokens: tf.Tensor; readonly mask: tf.Tensor };

type Linear = { readonly kernel: tf.Tensor; readonly bias: tf.Tensor };
type Norm = { readonly scale: tf.Tensor; readonly bias: tf.Tensor };

function linear(input: tf.Tensor, { kernel, bias }: Linear): tf.Tensor {
  const [batch, length, dim] = input.shape as [number, number, number];
  const rows = tf.reshape(input, [batch * length, dim]);
  const product = tf.matMul(rows, kernel); // [b·l, dim] × [dim, out] → [b·l, out]
  return tf.reshape(tf.add(product, bias), [batch, length, -1]); // → [b, l, out]
}

function normalize(input: tf.Tensor, { scale, bias }: Norm): tf.Tensor {
  const centered = tf.sub(input, tf.mean(input, -1, true));
  const variance = tf.mean(tf.square(centered), -1, true); // [b, l, 1]
  return tf.add(tf.mul(tf.mul(centered, tf.rsqrt(tf.add(variance, NORM_EPSILON))), scale), bias);
}

function splitHeads(input: tf.Tensor): tf.Tensor {
  const [batch, length, dim] = input.shape as [number, number, number];
  return tf.transpose(tf.reshape(input, [batch, length, HEADS, dim / HEADS]), [0, 2, 1, 3]); // → [b, head, l, dim/head]
}

/** Scaled dot-product attention in which no token attends to padding. */
function attend(input: tf.Tensor, parameters: TensorTree, paddingScore: tf.Tensor): tf.Tensor {
  const [batch, length, dim] = input.shape as [number, number, number];
  const all = linear(input, parameters['queryKeyValue'] as Linear); // [b, l, 3·dim]
  const [query, key, value] = tf.split(all, 3, -1).map(splitHeads) as [tf.Tensor, tf.Tensor, tf.Tensor];
  const scaled = tf.mul(query, (dim / HEADS) ** -0.5);
  const scores = tf.add(tf.matMul(scaled, key, false, true), paddingScore); // [b, head, l, l]
  const mixed = tf.matMul(tf.softmax(scores), value); // [b, head, l, l] × [b, head, l, d] → [b, head, l, d]
  const joined = tf.reshape(tf.transpose(mixed, [0, 2, 1, 3]), [batch, length, dim]);
  return linear(joined, parameters['output'] as Linear);
}

function transformerLayer(
  input: tf.Tensor,
  residual: tf.Tensor,
  parameters: TensorTree,
  paddingScore: tf.Tensor,
): tf.Tensor {
  const normed = normalize(input, parameters['attentionNorm'] as Norm);
  const attended = tf.add(attend(normed, parameters, paddingScore), residual); // [b, l, 512]
  const hidden = linear(normalize(attended, parameters['hiddenNorm'] as Norm), parameters['hidden1'] as Linear);
  return tf.add(attended, linear(tf.relu(hidden), parameters['hidden2'] as Linear));
}

function hiddenStates(parameters: TensorTree, { tokens, mask }: SentenceInputs): tf.Tensor {
  const [batch, length] = tokens.shape as [number, number];
  const embedded = tf.gather(parameters['embedding'] as tf.Tensor, tokens); // [b, l] → [b, l, 256]
  const position = tf.slice(parameters['position'] as tf.Tensor2D, [0, 0], [length, -1]);
  const input = tf.add(tf.mul(embedded, 2), position); // the graph adds (embedding + position) to the embedding
  const paddingScore = tf.reshape(tf.mul(tf.sub(1, mask), PADDING_SCORE), [batch, 1, 1, length]);
  const wide = linear(input, parameters['widen'] as Linear); // [b, l, 256] → [b, l, 512]
  const middle = transformerLayer(input, wide, parameters['layer0'] as TensorTree, paddingScore);
  return transformerLayer(middle, middle, parameters['layer1'] as TensorTree, paddingScore);
}

/**
 * Universal Sentence Encoder lite: a transformer of two layers with four heads, averaged over the tokens, through a
 * tanh layer, to unit length. A text without tokens gives the tanh of the last bias.
 * Source: Cer et al., "Universal Sentence Encoder" (EMNLP 2018 demo), as its tfjs graph computes it, with padding
 * and a mask in place of the graph's sparse rows.
 */
export function sentenceFeatures(parameters: TensorTree, inputs: SentenceInputs): { readonly features: Features } {
  const { mask } = inputs;
  const masked = tf.mul(hiddenStates(parameters, inputs), tf.expandDims(mask, -1));
  const count = tf.maximum(tf.sum(mask, 1, true), 1); // [b, 1]
  const mean = tf.div(tf.sum(masked, 1), count); // [b, l, 512] → [b, 512]
  const { kernel, bias } = parameters['top'] as Linear;
  const top = tf.tanh(tf.add(tf.matMul(mean as tf.Tensor2D, kernel as tf.Tensor2D), bias)); // [b, 512]
  const squares = tf.sum(tf.square(top), 1, true);
  return { features: named(tf.mul(top, tf.rsqrt(tf.maximum(squares, 1e-12))), ['batch', 'dim']) };
}

/** The tokens' last hidden states, [batch, length, 512]; rows of padding mean nothing. */
export function sentenceTokens(
  parameters: TensorTree,
  inputs: SentenceInputs,
): { readonly tokens: Named<['batch', 'token', 'dim']> } {
  return { tokens: named(hiddenStates(parameters, inputs), ['batch', 'token', 'dim']) };
}
