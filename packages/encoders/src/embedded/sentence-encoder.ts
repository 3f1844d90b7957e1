import * as tf from '@tensorflow/tfjs';
import {
  applyLinear,
  applyNorm,
  attend,
  meanState,
  paddingScores,
  type LinearParameters,
  type NormParameters,
} from '@drf/layers';
import { named, type Features, type Named, type TensorTree } from '@drf/tensor';

const HEADS = 4;
/** The graph multiplies by the inverse deviation. */
const NORM = { epsilon: 1e-6, reciprocal: true } as const;

/** Token ids int32 [batch, length] and a mask float32 [batch, length] (1 token, 0 padding). */
export type SentenceInputs = { readonly tokens: tf.Tensor; readonly mask: tf.Tensor };

type LayerParameters = {
  readonly attentionNorm: NormParameters;
  /** Three maps side by side. */
  readonly queryKeyValue: LinearParameters;
  readonly output: LinearParameters;
  readonly hiddenNorm: NormParameters;
  readonly hidden1: LinearParameters;
  readonly hidden2: LinearParameters;
};

type SentenceParameters = {
  /** [piece, 256] */
  readonly embedding: tf.Tensor2D;
  /** [length, 256] */
  readonly position: tf.Tensor2D;
  /** [256, 512] */
  readonly widen: LinearParameters;
  readonly layer0: LayerParameters;
  readonly layer1: LayerParameters;
  readonly top: LinearParameters;
};

/** x → residual + attention(norm(x)), and to that what a network of two maps makes of its norm. */
function transformerLayer(
  parameters: LayerParameters,
  x: tf.Tensor,
  residual: tf.Tensor,
  padding: tf.Tensor,
): tf.Tensor {
  const all = applyLinear(parameters.queryKeyValue, applyNorm(parameters.attentionNorm, x, NORM)); // [b, l, 3·dim]
  const [query, key, value] = tf.split(all, 3, -1) as [tf.Tensor, tf.Tensor, tf.Tensor];
  const answered = applyLinear(parameters.output, attend(query, key, value, { heads: HEADS, padding }));
  const attended = tf.add(answered, residual); // [b, l, 512]
  const hidden = tf.relu(applyLinear(parameters.hidden1, applyNorm(parameters.hiddenNorm, attended, NORM)));
  return tf.add(attended, applyLinear(parameters.hidden2, hidden));
}

function hiddenStates(parameters: SentenceParameters, { tokens, mask }: SentenceInputs): tf.Tensor {
  const embedded = tf.gather(parameters.embedding, tokens); // [b, l] → [b, l, 256]
  const position = tf.slice(parameters.position, [0, 0], [tokens.shape[1] as number, -1]);
  const input = tf.add(tf.mul(embedded, 2), position); // the graph adds (embedding + position) to the embedding
  const padding = paddingScores(mask);
  const wide = applyLinear(parameters.widen, input); // [b, l, 256] → [b, l, 512]
  const middle = transformerLayer(parameters.layer0, input, wide, padding);
  return transformerLayer(parameters.layer1, middle, middle, padding);
}

/**
 * Universal Sentence Encoder lite: a transformer of two layers with four heads, averaged over the tokens, through a
 * tanh layer, to unit length. A text without tokens gives the tanh of the last bias.
 * Source: Cer et al., "Universal Sentence Encoder" (EMNLP 2018 demo), as its tfjs graph computes it, with padding
 * and a mask in place of the graph's sparse rows.
 */
export function sentenceFeatures(parameters: TensorTree, inputs: SentenceInputs): { readonly features: Features } {
  const sentence = parameters as SentenceParameters;
  const mean = meanState(hiddenStates(sentence, inputs), inputs.mask); // [b, l, 512] → [b, 512]
  const top = tf.tanh(applyLinear(sentence.top, mean)); // [b, 512]
  const squares = tf.sum(tf.square(top), 1, true);
  return { features: named(tf.mul(top, tf.rsqrt(tf.maximum(squares, 1e-12))), ['batch', 'dim']) };
}

/** The tokens' last hidden states, [batch, length, 512]; rows of padding mean nothing. */
export function sentenceTokens(
  parameters: TensorTree,
  inputs: SentenceInputs,
): { readonly tokens: Named<['batch', 'token', 'dim']> } {
  return { tokens: named(hiddenStates(parameters as SentenceParameters, inputs), ['batch', 'token', 'dim']) };
}
