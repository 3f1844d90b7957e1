import type { Graph } from '../graph/graph.js';
import type { Value } from '../graph/value.js';
import { apply } from './build.js';

/** The activation inside tfjs's fused kernels. */
export interface ActivationAttributes {
  readonly activation?: 'linear' | 'relu' | 'relu6' | 'elu' | 'prelu' | 'leakyrelu' | 'sigmoid';
  readonly leakyreluAlpha?: number;
}

/** @param alpha the weights of `prelu` */
export function activate(
  graph: Graph,
  x: Value,
  { activation, leakyreluAlpha }: ActivationAttributes,
  alpha: Value | undefined,
): Value {
  switch (activation) {
    case 'relu':
      return apply(graph, 'Relu', [x]);
    case 'relu6':
      return apply(graph, 'Clip', [x, 0, 6]);
    case 'elu':
      return apply(graph, 'Elu', [x]);
    case 'sigmoid':
      return apply(graph, 'Sigmoid', [x]);
    case 'leakyrelu':
      return apply(graph, 'LeakyRelu', [x], { alpha: { float: leakyreluAlpha ?? 0.2 } });
    case 'prelu':
      return apply(graph, 'PRelu', [x, alpha as Value]);
    default:
      return x;
  }
}
