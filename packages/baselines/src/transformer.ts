import * as tf from '@tensorflow/tfjs';
import { initializeLinear, type LinearParameters } from '@drf/converters';
import { named, type Host, type Random } from '@drf/tensor';
import {
  applyNorm,
  attendMultiHead,
  initializeMultiHead,
  initializeNorm,
  type MultiHeadParameters,
  type NormParameters,
} from './attention.js';
import { applyTokenLinear, type Sequence } from './tokens.js';

/** x·Φ(x), by the error function. Source: Hendrycks and Gimpel, "Gaussian Error Linear Units" (2016). */
export function gelu(x: tf.Tensor): tf.Tensor {
  return tf.mul(tf.mul(x, tf.add(tf.erf(tf.div(x, Math.SQRT2)), 1)), 0.5);
}

/** Layers by name: `layer0`, `layer1` and so on. */
export type TransformerParameters = { readonly [layer: string]: LayerParameters };

type LayerParameters = {
  readonly attention: MultiHeadParameters;
  readonly attentionNorm: NormParameters;
  readonly hidden1: LinearParameters;
  readonly hidden2: LinearParameters;
  readonly hiddenNorm: NormParameters;
};

/** Parameters of transformer layers; the hidden layer is `hiddenFactor` times as wide as `dim`. */
export function initializeTransformer(
  random: Random,
  dim: number,
  layers: number,
  hiddenFactor = 2,
): Host<TransformerParameters> {
  return Object.fromEntries(
    Array.from({ length: layers }, (_, i) => {
      const own = random.fork(i);
      const layer = {
        attention: initializeMultiHead(own.fork('attention'), dim),
        attentionNorm: initializeNorm(dim),
        hidden1: initializeLinear(own.fork('hidden1'), dim, hiddenFactor * dim),
        hidden2: initializeLinear(own.fork('hidden2'), hiddenFactor * dim, dim),
        hiddenNorm: initializeNorm(dim),
      };
      return [`layer${i}`, layer] as const;
    }),
  );
}

/**
 * Transformer encoder layers: attention and a hidden layer, each added to its input and normalized after it, as in BERT.
 * Source: Vaswani et al., "Attention is all you need" (2017).
 */
export function applyTransformer(
  parameters: TransformerParameters,
  sequence: Sequence,
  heads: number,
  activation: (x: tf.Tensor) => tf.Tensor = (x) => tf.relu(x),
): Sequence {
  let states: tf.Tensor = sequence.states;
  for (let i = 0; ; i++) {
    const layer = parameters[`layer${i}`];
    if (layer === undefined) break;
    const attended = attendMultiHead(layer.attention, states, { ...sequence, states: named(states, ['batch', 'token', 'dim']) }, heads); // prettier-ignore
    const middle = applyNorm(layer.attentionNorm, tf.add(states, attended));
    const hidden = applyTokenLinear(layer.hidden2, activation(applyTokenLinear(layer.hidden1, middle)));
    states = applyNorm(layer.hiddenNorm, tf.add(middle, hidden));
  }
  return { states: named(states, ['batch', 'token', 'dim']), mask: sequence.mask };
}
