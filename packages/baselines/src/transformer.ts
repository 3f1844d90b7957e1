import type * as tf from '@tensorflow/tfjs';
import {
  applyTransformer,
  initializeAttention,
  initializeLinear,
  initializeNorm,
  mapStates,
  type ActivationName,
  type AttentionParameters,
  type LinearParameters,
  type NormOptions,
  type NormParameters,
  type Sequence,
  type TransformerLayers,
} from '@drf/layers';
import type { Host, Random } from '@drf/tensor';

/** How the compared methods normalize. */
export const COMPARED_NORM: NormOptions = { epsilon: 1e-5, reciprocal: true };

/** `layer0`, `layer1` and so on. */
export type CompactTransformer = {
  readonly [layer: string]: {
    readonly attention: AttentionParameters;
    readonly attentionNorm: NormParameters;
    readonly hidden1: LinearParameters;
    readonly hidden2: LinearParameters;
    readonly hiddenNorm: NormParameters;
  };
};

/** Parameters of transformer layers; the hidden layer is `hiddenFactor` times as wide as `dim`. */
export function initializeTransformer(
  random: Random,
  dim: number,
  layers: number,
  hiddenFactor = 2,
): Host<CompactTransformer> {
  return Object.fromEntries(
    Array.from({ length: layers }, (_, i) => {
      const own = random.fork(i);
      const layer = {
        attention: initializeAttention(own.fork('attention'), dim),
        attentionNorm: initializeNorm(dim),
        hidden1: initializeLinear(own.fork('hidden1'), dim, hiddenFactor * dim),
        hidden2: initializeLinear(own.fork('hidden2'), hiddenFactor * dim, dim),
        hiddenNorm: initializeNorm(dim),
      };
      return [`layer${i}`, layer] as const;
    }),
  );
}

/** Attention and a hidden layer, each added to its input and normalized after it, as in BERT. */
export function transformSequence(
  parameters: CompactTransformer,
  sequence: Sequence,
  heads: number,
  activation: ActivationName,
): Sequence {
  const layers: TransformerLayers = Object.fromEntries(
    Object.entries(parameters).map(([name, { attention, attentionNorm, hidden1, hidden2, hiddenNorm }]) => [
      name.slice('layer'.length),
      { attention, attentionNorm, mlp: { up: hidden1, down: hidden2 }, mlpNorm: hiddenNorm },
    ]),
  );
  const design = { heads, activation, norm: COMPARED_NORM, normalize: 'after' } as const;
  return mapStates(sequence, (states: tf.Tensor) => applyTransformer(design, layers, states, sequence.mask));
}
