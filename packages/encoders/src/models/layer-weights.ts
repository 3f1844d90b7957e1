import { linearWeights, joinedLinearWeights, normWeights, vectorWeight, type Weight } from './weights.js';

/** Names of a layer's parts in files, below the layer's own. */
export interface LayerNames {
  /** Before the layer's number. */
  readonly layer: string;
  /** Three maps, or the one tensor that holds all of them. */
  readonly attention: { readonly query: string; readonly key: string; readonly value: string } | string;
  readonly output: string;
  readonly attentionNorm: string;
  readonly mlpNorm: string;
  /** Of a gated network one tensor may hold both maps, in this order. */
  readonly up: string | { readonly joined: string; readonly order: readonly ['gate' | 'up', 'gate' | 'up'] };
  readonly down: string;
  /** Factors of what attention and the network add, where the family has them. */
  readonly scales?: { readonly attention: string; readonly mlp: string };
  /** Maps of relative places, where they have their own. */
  readonly places?: { readonly key?: string; readonly query?: string };
}

/** Sizes of a layer, and which parts it has. */
export interface LayerShape {
  readonly hiddenSize: number;
  readonly intermediateSize: number;
  /** Which maps and norms have a bias; default: all. */
  readonly biases?: {
    readonly queryKeyValue?: boolean;
    readonly output?: boolean;
    readonly mlp?: boolean;
    readonly norm?: boolean;
  };
  /** The first layer has no normalization before its attention. */
  readonly firstIsNormalized?: boolean;
}

/** The weights of layer `index`, in the tree of `TransformerLayerParameters`. */
export function layerWeights(shape: LayerShape, names: LayerNames, index: number): Weight[] {
  const { hiddenSize, intermediateSize, biases = {}, firstIsNormalized = false } = shape;
  const { queryKeyValue = true, output = true, mlp = true, norm = true } = biases;
  const [name, file] = [`layers.${index}`, `${names.layer}.${index}`];
  const { attention, up, scales, places } = names;
  const square = (part: string, fileName: string, bias: boolean): Weight[] =>
    linearWeights(`${name}.attention.${part}`, `${file}.${fileName}`, hiddenSize, hiddenSize, bias);
  const joined = (tensor: string, bias: boolean): readonly [string, string | undefined] => [
    `${file}.${tensor}.weight`,
    bias ? `${file}.${tensor}.bias` : undefined,
  ];
  const parts = ['query', 'key', 'value'] as const;
  return [
    ...(firstIsNormalized && index === 0
      ? []
      : normWeights(`${name}.attentionNorm`, `${file}.${names.attentionNorm}`, hiddenSize, norm)),
    ...(typeof attention === 'string'
      ? joinedLinearWeights(
          parts.map((part) => `${name}.attention.${part}`),
          joined(attention, queryKeyValue),
          hiddenSize,
          hiddenSize,
        )
      : parts.flatMap((part) => square(part, attention[part], queryKeyValue))),
    ...(places?.key === undefined ? [] : square('placeKey', places.key, true)),
    ...(places?.query === undefined ? [] : square('placeQuery', places.query, true)),
    ...square('output', names.output, output),
    ...normWeights(`${name}.mlpNorm`, `${file}.${names.mlpNorm}`, hiddenSize, norm),
    ...(typeof up === 'string'
      ? linearWeights(`${name}.mlp.up`, `${file}.${up}`, hiddenSize, intermediateSize, mlp)
      : joinedLinearWeights(
          up.order.map((part) => `${name}.mlp.${part}`),
          joined(up.joined, mlp),
          hiddenSize,
          intermediateSize,
        )),
    ...linearWeights(`${name}.mlp.down`, `${file}.${names.down}`, intermediateSize, hiddenSize, mlp),
    ...(scales === undefined
      ? []
      : [
          vectorWeight(`${name}.attentionScale`, `${file}.${scales.attention}`, hiddenSize, 'ones'),
          vectorWeight(`${name}.mlpScale`, `${file}.${scales.mlp}`, hiddenSize, 'ones'),
        ]),
  ];
}
