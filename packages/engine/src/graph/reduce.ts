import type { Graph } from './graph.js';
import { elementwise } from './elementwise.js';
import { padRank, permute, type Shape } from './shapes.js';
import { baseOf, type Value } from './value.js';

export type Reduction = 'ReduceSum' | 'ReduceMean' | 'ReduceMax' | 'ReduceMin' | 'ReduceProd';

/**
 * Reduces along axes (counted from 0). Axes along which the value is a mere repetition are not walked: a sum there is
 * a product with the count. A transposed value is reduced as it lies in memory.
 */
export function reduce(graph: Graph, reduction: Reduction, value: Value, axes: Shape, keepAxes: boolean): Value {
  const kept = value.shape.map((size, axis) => (axes.includes(axis) ? 1 : size));
  const result = reduceKept(graph, reduction, value, axes, kept);
  return keepAxes
    ? result
    : graph.reshape(
        result,
        kept.filter((_, axis) => !axes.includes(axis)),
      );
}

function reduceKept(graph: Graph, reduction: Reduction, value: Value, axes: Shape, kept: Shape): Value {
  const base = baseOf(value);
  if (base !== value && reduction !== 'ReduceProd') return reduceBroadcast(graph, reduction, value, axes, kept);
  const walked = axes.filter((axis) => value.shape[axis] !== 1);
  if (walked.length === 0) return value;
  const transposition = graph.transposition(value);
  if (transposition !== undefined) {
    const { of, permutation } = transposition;
    const inner = reduce(graph, reduction, of, permute(permutation, walked), true);
    return graph.transpose(inner, permutation);
  }
  return emit(graph, reduction, value, walked, kept);
}

function emit(graph: Graph, reduction: Reduction, value: Value, axes: Shape, kept: Shape): Value {
  const sorted = [...axes].sort((a, b) => a - b);
  if (reduction === 'ReduceSum') {
    return graph.operation(reduction, [value, graph.integers(sorted)], kept, value.type, { keepdims: 1 });
  }
  return graph.operation(reduction, [value], kept, value.type, { axes: sorted, keepdims: 1 });
}

function reduceBroadcast(graph: Graph, reduction: Reduction, value: Value, axes: Shape, kept: Shape): Value {
  const base = baseOf(value);
  const padded = padRank(base.shape, value.shape.length);
  const repeated = axes.filter((axis) => padded[axis] === 1);
  const count = repeated.reduce((product, axis) => product * (value.shape[axis] as number), 1);
  const inner = reduce(
    graph,
    reduction,
    graph.reshape(base, padded),
    axes.filter((axis) => padded[axis] !== 1),
    true,
  );
  if (reduction !== 'ReduceSum' || count === 1) return graph.broadcast(inner, kept);
  return graph.broadcast(elementwise(graph, 'Mul', [inner, graph.scalar(count, value.type)], value.type), kept);
}
