import { transposeData } from './data.js';
import type { Graph } from './graph.js';
import { broadcastShapes, invertPermutation, padRank, permute, sameShape, type Shape } from './shapes.js';
import { simplify } from './simplify.js';
import { baseOf, constantData, type Attributes, type ElementType, type Value } from './value.js';

/**
 * Adds an operation that treats every element alike. Inputs that are broadcasts enter unrepeated, so that a scalar
 * stays a scalar; a transposition that all inputs share moves behind the operation, where it can meet its inverse.
 */
export function elementwise(
  graph: Graph,
  operator: string,
  inputs: readonly Value[],
  type: ElementType,
  attributes: Attributes = {},
): Value {
  const shape = broadcastShapes(inputs.map((input) => input.shape));
  const bases = inputs.map(baseOf);
  const simple = simplify(graph, operator, bases, type);
  if (simple !== undefined) return graph.broadcast(simple, shape);
  return graph.broadcast(emit(graph, operator, bases, type, attributes), shape);
}

function emit(
  graph: Graph,
  operator: string,
  bases: readonly Value[],
  type: ElementType,
  attributes: Attributes,
): Value {
  const shape = broadcastShapes(bases.map((base) => base.shape));
  const permutation = sharedPermutation(graph, bases, shape);
  if (permutation === undefined) return graph.operation(operator, bases, shape, type, attributes);
  const sources = bases.map((base) => untransposed(graph, base, permutation));
  const result = graph.operation(operator, sources, permute(shape, invertPermutation(permutation)), type, attributes);
  return graph.transpose(result, permutation);
}

/** The permutation by which every input of the full shape is transposed; the others must be constants. */
function sharedPermutation(graph: Graph, bases: readonly Value[], shape: Shape): readonly number[] | undefined {
  let shared: readonly number[] | undefined;
  for (const base of bases) {
    if (constantData(base) !== undefined) continue;
    const found = graph.transposition(base)?.permutation;
    if (found === undefined || found.length !== shape.length) return undefined;
    if (shared !== undefined && !sameShape(shared, found)) return undefined;
    shared = found;
  }
  return shared;
}

/** An input as it was before the transposition; a constant is permuted on the spot. */
function untransposed(graph: Graph, base: Value, permutation: readonly number[]): Value {
  const data = constantData(base);
  if (data === undefined) return graph.untranspose(base, permutation);
  if (data.length === 1) return graph.reshape(base, []);
  const padded = padRank(base.shape, permutation.length);
  const inverse = invertPermutation(permutation);
  return graph.constant(transposeData(data, base.type, padded, inverse), permute(padded, inverse), base.type);
}
