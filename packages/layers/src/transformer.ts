import * as tf from '@tensorflow/tfjs';
import { recompute } from '@drf/engine';
import { flattenTree, named, unflattenTree, type Features, type Named, type TensorTree } from '@drf/tensor';
import { activate, type ActivationName } from './activation.js';
import type { AttentionDropout } from './attention.js';
import { dropOut, type Dropout } from './dropout.js';
import { applyLinear } from './linear.js';
import type { LoraOptions } from './lora.js';

/** Last hidden states, and the pooled output where the parameters have a pooler. */
export interface TransformerOutputs {
  readonly tokens: Named<['batch', 'token', 'dim']>;
  readonly pooled?: Features;
}

/** How a transformer is computed. */
export interface TransformerOptions {
  /** What low-rank updates were added with ({@link addLora}); needed where the parameters have some. */
  readonly lora?: LoraOptions;
  /** Each layer's gradient computes the layer anew instead of keeping what it computed; default false. */
  readonly recompute?: boolean;
  /** Values that are dropped in training; left out: none. */
  readonly dropout?: Dropout;
}

/** What a layer reads beside parameters and states. */
export interface LayerContext {
  /** As in {@link applyLayers}. */
  readonly mask?: tf.Tensor;
  readonly dropout?: Dropout;
  /** Of the layer, from 0. */
  readonly index: number;
}

/** One layer of a transformer: [batch, token, dim] → the same. */
export type Layer = (parameters: TensorTree, x: tf.Tensor, context: LayerContext) => tf.Tensor;

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
    const { dropout } = options;
    const context = { index, ...(mask === undefined ? {} : { mask }), ...(dropout === undefined ? {} : { dropout }) };
    x = options.recompute === true ? recomputed(layer, parameters, x, context) : layer(parameters, x, context);
  }
  return x;
}

function recomputed(layer: Layer, parameters: TensorTree, x: tf.Tensor, context: LayerContext): tf.Tensor {
  const leaves = flattenTree(parameters);
  const names = [...leaves.keys()];
  const { mask, dropout, index } = context;
  const masks = mask === undefined ? [] : [mask];
  const seeds = dropout === undefined ? [] : [dropout.seeds];
  return recompute(
    ([given, ...others]) => {
      const values = others.slice(masks.length + seeds.length);
      const tree = unflattenTree(names.map((name, i) => [name, values[i] as tf.Tensor]));
      return layer(tree, given as tf.Tensor, {
        index,
        ...(mask === undefined ? {} : { mask: others[0] }),
        ...(dropout === undefined ? {} : { dropout: { ...dropout, seeds: others[masks.length] as tf.Tensor } }),
      });
    },
    [x, ...masks, ...seeds, ...leaves.values()],
  );
}

/** Uses of dropout in a layer, each a place of its own; the embeddings have place 0. */
const PLACES_A_LAYER = 3;

/** Dropout of what a layer adds to its states, where there is dropout. */
export function dropHidden(x: tf.Tensor, { dropout, index }: LayerContext, use: 'attention' | 'mlp'): tf.Tensor {
  if (dropout === undefined) return x;
  return dropOut(x, dropout.hidden, dropout.seeds, 1 + PLACES_A_LAYER * index + (use === 'attention' ? 1 : 2));
}

/** Dropout of the weights of a layer's attention. */
export function attentionDropout({ dropout, index }: LayerContext): AttentionDropout | undefined {
  if (dropout === undefined || dropout.attention === 0) return undefined;
  return { rate: dropout.attention, seeds: dropout.seeds, place: 1 + PLACES_A_LAYER * index };
}

/** Dropout of the embeddings. */
export function dropEmbeddings(x: tf.Tensor, dropout: Dropout | undefined): tf.Tensor {
  return dropout === undefined ? x : dropOut(x, dropout.hidden, dropout.seeds, 0);
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
