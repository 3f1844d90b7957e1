import * as tf from '@tensorflow/tfjs';
import { recompute } from '@drf/engine';
import { flattenTree, named, unflattenTree, type Features, type Named, type TensorTree } from '@drf/tensor';
import { activate, type ActivationName } from './activation.js';
import { applyLinear } from './linear.js';
import type { LoraOptions } from './lora.js';

/** Last hidden states, and the pooled output where the parameters have a pooler. */
export interface TransformerOutputs {
  readonly tokens: Named<['batch', 'token', 'dim']>;
  readonly pooled?: Features;
}

/** How a transformer is computed; the numbers are the same. */
export interface TransformerOptions {
  /** What low-rank updates were added with ({@link addLora}); needed where the parameters have some. */
  readonly lora?: LoraOptions;
  /** Each layer's gradient computes the layer anew instead of keeping what it computed; default false. */
  readonly recompute?: boolean;
}

/** One layer of a transformer: [batch, token, dim] → the same; `mask` as in {@link applyLayers}. */
export type Layer = (parameters: TensorTree, x: tf.Tensor, mask: tf.Tensor | undefined) => tf.Tensor;

/**
 * Layers `0`, `1` and so on of a tree, one after the other.
 * @param mask int32 [batch, token], 1 for a token and 0 for padding, where there is padding
 */
export function applyLayers(
  layers: TensorTree,
  count: number,
  layer: Layer,
  first: tf.Tensor,
  mask: tf.Tensor | undefined,
  options: TransformerOptions,
): tf.Tensor {
  let x = first;
  for (let index = 0; index < count; index++) {
    const parameters = layers[index] as TensorTree;
    x = options.recompute === true ? recomputed(layer, parameters, x, mask) : layer(parameters, x, mask);
  }
  return x;
}

function recomputed(layer: Layer, parameters: TensorTree, x: tf.Tensor, mask: tf.Tensor | undefined): tf.Tensor {
  const leaves = flattenTree(parameters);
  const names = [...leaves.keys()];
  const masks = mask === undefined ? [] : [mask];
  return recompute(
    ([given, ...others]) => {
      const values = others.slice(masks.length);
      const tree = unflattenTree(names.map((name, i) => [name, values[i] as tf.Tensor]));
      return layer(tree, given as tf.Tensor, mask === undefined ? undefined : others[0]);
    },
    [x, ...masks, ...leaves.values()],
  );
}

/** Up, activation, down: [batch, length, dim] → [batch, length, intermediate] → [batch, length, dim] */
export function applyMlp(
  parameters: TensorTree,
  x: tf.Tensor,
  activation: ActivationName,
  lora: LoraOptions | undefined,
): tf.Tensor {
  const { up, down } = parameters as { readonly up: TensorTree; readonly down: TensorTree };
  return applyLinear(down, activate(activation, applyLinear(up, x, lora)), lora);
}

/** Outputs from the last hidden states [batch, token, dim]: a pooler maps the first token, where there is one. */
export function transformerOutputs(
  states: tf.Tensor,
  pooler: TensorTree | undefined,
  activation: ActivationName,
): TransformerOutputs {
  const tokens = named(states, ['batch', 'token', 'dim']);
  if (pooler === undefined) return { tokens };
  const [batch, , dim] = states.shape as [number, number, number];
  const first = tf.reshape(tf.slice(states, [0, 0, 0], [batch, 1, dim]), [batch, dim]);
  return { tokens, pooled: named(activate(activation, applyLinear(pooler, first)), ['batch', 'dim']) };
}
