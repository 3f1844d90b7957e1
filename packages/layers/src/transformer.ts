import * as tf from '@tensorflow/tfjs';
import { flattenTree, named, unflattenTree, type Features, type Named } from '@drf/tensor';
import { activate, type ActivationName } from './activation.js';
import {
  applyAttention,
  paddingScores,
  type AttentionParameters,
  type RelativePlaces,
  rotaryTables,
} from './attention.js';
import { dropOut, type Dropout } from './dropout.js';
import { recompute } from './gradient.js';
import { applyLinear, type LinearMap } from './linear.js';
import type { LoraOptions } from './lora.js';
import { applyNorm, type NormOptions, type ScaleParameters } from './norm.js';

/** Of one layer: attention, a network of two linear maps, and the normalization of each. */
export type TransformerLayerParameters = {
  readonly attention: AttentionParameters;
  /** Absent where attention reads what is normalized already: the first layer of ModernBERT. */
  readonly attentionNorm?: ScaleParameters;
  /** Factors [dim] of what attention adds. */
  readonly attentionScale?: tf.Tensor;
  /** [dim, intermediate] and [intermediate, dim]; with `gate` [dim, intermediate], down(activation(gate(x)) · up(x)). */
  readonly mlp: { readonly up: LinearMap; readonly down: LinearMap; readonly gate?: LinearMap };
  readonly mlpNorm: ScaleParameters;
  /** Factors [dim] of what the network adds. */
  readonly mlpScale?: tf.Tensor;
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
  /** Factor of the scores; default 1/√(dim / heads). */
  readonly scale?: number;
  /** Tokens attend to themselves and to what stands before them, alone; default false. Needs a mask. */
  readonly causal?: boolean;
  /** How many places away a token of layer `index` attends at most; undefined: to all. Needs a mask. */
  readonly window?: (index: number) => number | undefined;
  /** Base of the rotary position embeddings of layer `index`. Needs a mask. */
  readonly rotaryBase?: (index: number) => number;
}

/** What all layers read beside the states. */
export type SharedScores = {
  /** Added to the scores of every layer: [1, head, query, token]. */
  readonly bias?: tf.Tensor;
  /** Embeddings of relative places [2·n − 1, dim], which each layer maps. */
  readonly relative?: RelativePlaces;
};

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

/** What a layer reads beside its parameters and the states. */
type LayerContext = {
  /** int32 [batch, token], 1 for a token and 0 for padding. */
  readonly mask?: tf.Tensor;
  /** Of dropout. */
  readonly seeds?: tf.Tensor;
  readonly shared: SharedScores;
};

/** Uses of dropout in a layer, each a place of its own; the embeddings have place 0. */
const PLACES_A_LAYER = 3;

/** Far below all scores, and small beside the score of padding, so that the sum of both is finite. */
const OUT_OF_SIGHT = -1e30;

/**
 * The places of a sequence, float32 [token]: 0, 1, 2 … Counted along a mask [batch, token], not made from its shape, so
 * that a graph of one length is that of every length.
 */
export function placesOf(mask: tf.Tensor): tf.Tensor {
  const [, length] = mask.shape as [number, number];
  const row = tf.slice(mask, [0, 0], [1, length]);
  const ones = tf.cast(tf.greaterEqual(row, tf.zeros([1, 1], mask.dtype as 'int32')), 'float32');
  return tf.reshape(tf.cumsum(ones, 1, true), [length]);
}

/** What keeps tokens from what they must not see, [query, token]: 0 where they see, a very low number where not. */
function sightScores(places: tf.Tensor, causal: boolean, window: number | undefined): tf.Tensor {
  const ahead = tf.sub(tf.expandDims(places, 0), tf.expandDims(places, 1)); // token − query
  const hidden = [
    ...(causal ? [tf.greater(ahead, 0)] : []),
    ...(window === undefined ? [] : [tf.greater(tf.abs(ahead), window)]),
  ].map((each) => tf.cast(each, 'float32'));
  return tf.mul(
    hidden.reduce((sum, each) => tf.maximum(sum, each)),
    OUT_OF_SIGHT,
  );
}

/** Everything that is added to the scores of layer `index`. */
function addedScores(design: TransformerDesign, index: number, { mask, shared }: LayerContext): tf.Tensor | undefined {
  const { causal = false } = design;
  const window = design.window?.(index);
  const added = [
    ...(mask === undefined ? [] : [paddingScores(mask)]),
    ...(mask !== undefined && (causal || window !== undefined) ? [sightScores(placesOf(mask), causal, window)] : []),
    ...(shared.bias === undefined ? [] : [shared.bias]),
  ];
  return added.length === 0 ? undefined : added.reduce((sum, each) => tf.add(sum, each));
}

/** down(activation(up(x))), or down(activation(gate(x)) · up(x)): [batch, token, dim] → the same */
function applyMlp(
  { up, down, gate }: TransformerLayerParameters['mlp'],
  x: tf.Tensor,
  activation: ActivationName,
  lora: LoraOptions | undefined,
): tf.Tensor {
  const raised = applyLinear(up, x, lora);
  const hidden =
    gate === undefined
      ? activate(activation, raised)
      : tf.mul(activate(activation, applyLinear(gate, x, lora)), raised);
  return applyLinear(down, hidden, lora);
}

/** Layer `index` of a transformer: [batch, token, dim] → the same */
function applyLayer(
  design: TransformerDesign,
  index: number,
  { lora, dropout }: Pick<TransformerOptions, 'lora' | 'dropout'>,
  parameters: TransformerLayerParameters,
  x: tf.Tensor,
  context: LayerContext,
): tf.Tensor {
  const { attention, attentionNorm, attentionScale, mlp, mlpNorm, mlpScale } = parameters;
  const { heads, activation, norm, normalize, scale, dropsAttended = true, rotaryBase } = design;
  const { mask, seeds, shared } = context;
  const place = 1 + PLACES_A_LAYER * index;
  const drop = (added: tf.Tensor, use: 1 | 2): tf.Tensor =>
    dropout === undefined ? added : dropOut(added, dropout.hidden, seeds as tf.Tensor, place + use);
  const scaled = (added: tf.Tensor, factor?: tf.Tensor): tf.Tensor =>
    factor === undefined ? added : tf.mul(added, factor);
  const normalized = (of: ScaleParameters | undefined, states: tf.Tensor): tf.Tensor =>
    of === undefined ? states : applyNorm(of, states, norm);
  const options = {
    heads,
    lora,
    ...(scale === undefined ? {} : { scale }),
    padding: addedScores(design, index, context),
    rotary:
      rotaryBase === undefined
        ? undefined
        : rotaryTables(placesOf(mask as tf.Tensor), (x.shape[2] as number) / heads, rotaryBase(index)),
    relative: shared.relative,
    dropout:
      dropout === undefined || dropout.attention === 0
        ? undefined
        : { rate: dropout.attention, seeds: seeds as tf.Tensor, place },
  };
  const isBefore = normalize === 'before';
  const given = isBefore ? normalized(attentionNorm, x) : x;
  const answered = scaled(applyAttention(attention, given, given, options), attentionScale);
  const attended = tf.add(dropsAttended ? drop(answered, 1) : answered, x);
  const middle = isBefore ? attended : normalized(attentionNorm, attended);
  const changed = applyMlp(mlp, isBefore ? normalized(mlpNorm, middle) : middle, activation, lora);
  const result = tf.add(drop(scaled(changed, mlpScale), 2), middle);
  return isBefore ? result : normalized(mlpNorm, result);
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
  options: TransformerOptions = {},
  { from = 0, until = Infinity, shared = {} }: LayerRange & { readonly shared?: SharedScores } = {},
): tf.Tensor {
  const { dropout, recompute: isRecomputed = false } = options;
  const context: LayerContext = {
    ...(mask === undefined ? {} : { mask: tf.cast(mask, 'int32') }), // whole numbers get no gradient
    ...(dropout === undefined ? {} : { seeds: dropout.seeds }),
    shared,
  };
  let x = first;
  for (let index = from; ; index++) {
    const parameters = index < until ? layers[index] : undefined;
    if (parameters === undefined) return x;
    const layer: Layer = (...given) => applyLayer(design, index, options, ...given);
    x = isRecomputed ? recomputed(layer, parameters, x, context) : layer(parameters, x, context);
  }
}

type Layer = (parameters: TransformerLayerParameters, x: tf.Tensor, context: LayerContext) => tf.Tensor;

/** Every tensor that the layer reads goes through {@link recompute}. */
function recomputed(
  layer: Layer,
  parameters: TransformerLayerParameters,
  x: tf.Tensor,
  context: LayerContext,
): tf.Tensor {
  const leaves = flattenTree<tf.Tensor>({ context, parameters });
  const names = [...leaves.keys()];
  return recompute(
    ([given, ...values]) => {
      const tree = unflattenTree(names.map((name, i) => [name, values[i] as tf.Tensor]));
      const { context: again = {}, parameters: own } = tree as {
        context?: LayerContext;
        parameters: TransformerLayerParameters;
      };
      return layer(own, given as tf.Tensor, { shared: {}, ...again });
    },
    [x, ...leaves.values()],
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
