import * as tf from '@tensorflow/tfjs';
import { initializeLinear, type LinearParameters } from '@drf/converters';
import { named, type HostTree, type Random, type TensorTree } from '@drf/tensor';
import {
  applyNorm,
  attendMultiHead,
  initializeMultiHead,
  initializeNorm,
  type MultiHeadParameters,
  type NormParameters,
} from './attention.js';
import { applyTokenLinear, type Sequence } from './tokens.js';

type LayerParameters = {
  readonly attention: MultiHeadParameters;
  readonly attentionNorm: NormParameters;
  readonly hidden1: LinearParameters;
  readonly hidden2: LinearParameters;
  readonly hiddenNorm: NormParameters;
};

/** Parameters of transformer layers, `layer0`, `layer1` and so on; the hidden layer is twice as wide as `dim`. */
export function initializeTransformer(random: Random, dim: number, layers: number): HostTree {
  return Object.fromEntries(
    Array.from({ length: layers }, (_, i) => {
      const own = random.fork(i);
      const layer = {
        attention: initializeMultiHead(own.fork('attention'), dim),
        attentionNorm: initializeNorm(dim),
        hidden1: initializeLinear(own.fork('hidden1'), dim, 2 * dim),
        hidden2: initializeLinear(own.fork('hidden2'), 2 * dim, dim),
        hiddenNorm: initializeNorm(dim),
      };
      return [`layer${i}`, layer] as const;
    }),
  );
}

/**
 * Transformer encoder layers: attention and a hidden layer, each added to its input and normalized after it, as in BERT.
 * Source: Vaswani et al., "Attention is all you need" (2017). The activation is ReLU.
 */
export function applyTransformer(parameters: TensorTree, sequence: Sequence, heads: number): Sequence {
  let states: tf.Tensor = sequence.states;
  for (let i = 0; `layer${i}` in parameters; i++) {
    const layer = parameters[`layer${i}`] as LayerParameters;
    const attended = attendMultiHead(layer.attention, states, { ...sequence, states: named(states, ['batch', 'token', 'dim']) }, heads); // prettier-ignore
    const middle = applyNorm(layer.attentionNorm, tf.add(states, attended));
    const hidden = applyTokenLinear(layer.hidden2, tf.relu(applyTokenLinear(layer.hidden1, middle)));
    states = applyNorm(layer.hiddenNorm, tf.add(middle, hidden));
  }
  return { states: named(states, ['batch', 'token', 'dim']), mask: sequence.mask };
}
