import * as tf from '@tensorflow/tfjs';
import { flattenTree, named, unflattenTree, type Features, type Named } from '@drf/tensor';
import { activate, type ActivationName } from './activation.js';
import { applyAttention, paddingScores, type AttentionParameters } from './attention.js';
import { dropOut, type Dropout } from './dropout.js';
import { recompute } from './gradient.js';
import { applyLinear, type LinearMap } from './linear.js';
import type { LoraOptions } from './lora.js';
import { applyNorm, type NormOptions, type NormParameters } from './norm.js';

/** Of one layer: attention, a network of two linear maps, and the normalization of each. */
export type TransformerLayerParameters = {
  readonly attention: AttentionParameters;
  readonly attentionNorm: NormParameters;
  /** [dim, intermediate] and [intermediate, dim] */
  readonly mlp: { readonly up: LinearMap; readonly down: LinearMap };
  readonly mlpNorm: NormParameters;
};

/** Layers by their places: `0`, `1` and so on. */
export type TransformerLayers = { readonly [index: string]: TransformerLayerParameters };

/** What all layers of a transformer have in common. */
export interface TransformerDesign {
  readonly heads: number;
  readonly activation: ActivationName;
  readonly norm: NormOptions;
  /** `before`: x + f(norm(x)), as in ViT; `after`: norm(x + f(x)), as in BERT. */
  readonly normalize: 'before' | 'after';
  /** Whether dropout is for what attention adds, too; default true, DistilBERT has none there. */
  readonly dropsAttended?: boolean;
}

/** Some of a transformer's layers, by their places from 0. */
export interface LayerRange {
  /** The first one; default 0. */
  readonly from?: number;
  /** The one after the last; default: all that there are. */
  readonly until?: number;
}

/** How a transformer is computed. */
export interface TransformerOptions {
  /** What low-rank updates were added with (`addLora`); needed where the parameters have some. */
  readonly lora?: LoraOptions;
  /** Each layer's gradient computes the layer anew instead of keeping what it computed; default false. */
  readonly recompute?: boolean;
  /** Values that are dropped in training; left out: none. */
  readonly dropout?: Dropout;
}

/** Tensors of which a layer needs no gradient. */
interface LayerContext {
  /** int32 [batch, token], 1 for a token and 0 for padding. */
  readonly mask?: tf.Tensor;
  readonly dropout?: Dropout;
}

/** Uses of dropout in a layer, each a place of its own; the embeddings have place 0. */
const PLACES_A_LAYER = 3;

/** Layer `index` of a transformer: [batch, token, dim] → the same */
function applyLayer(
  design: TransformerDesign,
  index: number,
  lora: LoraOptions | undefined,
  { attention, attentionNorm, mlp, mlpNorm }: TransformerLayerParameters,
  x: tf.Tensor,
  { mask, dropout }: LayerContext,
): tf.Tensor {
  const { heads, activation, norm, normalize, dropsAttended = true } = design;
  const place = 1 + PLACES_A_LAYER * index;
  const drop = (added: tf.Tensor, use: 1 | 2): tf.Tensor =>
    dropout === undefined ? added : dropOut(added, dropout.hidden, dropout.seeds, place + use);
  const options = {
    heads,
    lora,
    padding: mask === undefined ? undefined : paddingScores(mask),
    dropout:
      dropout === undefined || dropout.attention === 0
        ? undefined
        : { rate: dropout.attention, seeds: dropout.seeds, place },
  };
  const isBefore = normalize === 'before';
  const given = isBefore ? applyNorm(attentionNorm, x, norm) : x;
  const answered = applyAttention(attention, given, given, options);
  const attended = tf.add(dropsAttended ? drop(answered, 1) : answered, x);
  const middle = isBefore ? attended : applyNorm(attentionNorm, attended, norm);
  const hidden = activate(activation, applyLinear(mlp.up, isBefore ? applyNorm(mlpNorm, middle, norm) : middle, lora));
  const result = tf.add(drop(applyLinear(mlp.down, hidden, lora), 2), middle);
  return isBefore ? result : applyNorm(mlpNorm, result, norm);
}

/**
 * The layers of a transformer one after the other: [batch, token, dim] → the same.
 * Source: Vaswani et al., "Attention is all you need" (NeurIPS 2017).
 * @param mask [batch, token], 1 for a token and 0 for padding; left out where there is no padding
 * @param range layers that are applied; those from 0 until j, and then those from j, are all of them to the bit
 */
export function applyTransformer(
  design: TransformerDesign,
  layers: TransformerLayers,
  first: tf.Tensor,
  mask?: tf.Tensor,
  { lora, dropout, recompute: isRecomputed = false }: TransformerOptions = {},
  { from = 0, until = Infinity }: LayerRange = {},
): tf.Tensor {
  const context: LayerContext = {
    ...(mask === undefined ? {} : { mask: tf.cast(mask, 'int32') }), // whole numbers get no gradient
    ...(dropout === undefined ? {} : { dropout }),
  };
  let x = first;
  for (let index = from; ; index++) {
    const parameters = index < until ? layers[index] : undefined;
    if (parameters === undefined) return x;
    const layer: Layer = (...given) => applyLayer(design, index, lora, ...given);
    x = isRecomputed ? recomputed(layer, parameters, x, context) : layer(parameters, x, context);
  }
}

type Layer = (parameters: TransformerLayerParameters, x: tf.Tensor, context: LayerContext) => tf.Tensor;

/** Every tensor that the layer reads goes through {@link recompute}. */
function recomputed(
  layer: Layer,
  parameters: TransformerLayerParameters,
  x: tf.Tensor,
  { mask, dropout }: LayerContext,
): tf.Tensor {
  const leaves = flattenTree<tf.Tensor>(parameters);
  const names = [...leaves.keys()];
  const masks = mask === undefined ? [] : [mask];
  const seeds = dropout === undefined ? [] : [dropout.seeds];
  return recompute(
    ([given, ...others]) => {
      const values = others.slice(masks.length + seeds.length);
      const tree = unflattenTree(names.map((name, i) => [name, values[i] as tf.Tensor]));
      return layer(tree as TransformerLayerParameters, given as tf.Tensor, {
        ...(mask === undefined ? {} : { mask: others[0] }),
        ...(dropout === undefined ? {} : { dropout: { ...dropout, seeds: others[masks.length] as tf.Tensor } }),
      });
    },
    [x, ...masks, ...seeds, ...leaves.values()],
  );
}

/** Dropout of the embeddings. */
export function dropEmbeddings(x: tf.Tensor, dropout: Dropout | undefined): tf.Tensor {
  return dropout === undefined ? x : dropOut(x, dropout.hidden, dropout.seeds, 0);
}

/** Last hidden states, and the pooled output where the parameters have a pooler. */
export interface TransformerOutputs {
  readonly tokens: Named<['batch', 'token', 'dim']>;
  readonly pooled?: Features;
}

/** Outputs from the last hidden states [batch, token, dim]: a pooler maps the first token, where there is one. */
export function transformerOutputs(
  states: tf.Tensor,
  pooler: LinearMap | undefined,
  activation: ActivationName,
): TransformerOutputs {
  const tokens = named(states, ['batch', 'token', 'dim']);
  if (pooler === undefined) return { tokens };
  const [batch, , dim] = states.shape as [number, number, number];
  const first = tf.reshape(tf.slice(states, [0, 0, 0], [batch, 1, dim]), [batch, dim]);
  return { tokens, pooled: named(activate(activation, applyLinear(pooler, first)), ['batch', 'dim']) };
}
