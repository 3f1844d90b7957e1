import { transposeData } from './data.js';
import type { Graph } from './graph.js';
import { broadcastShapes, invertPermutation, padRank, permute, sameShape, type Shape } from './shapes.js';
import {
  type Attributes,
  baseOf,
  constantData,
  ELEMENT_TYPE_CODES,
  type ElementType,
  uniformNumber,
  type Value,
} from './value.js';

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

type Rule = (graph: Graph, inputs: readonly Value[]) => Value | undefined;

/** `left ∘ number = left`: the operation leaves its left input as it is. */
function rightIdentity(number: number): Rule {
  return (_, [left, right]) => (uniformNumber(right as Value) === number ? left : undefined);
}

function eitherIdentity(number: number): Rule {
  return (_, [left, right]) => {
    if (uniformNumber(right as Value) === number) return left;
    return uniformNumber(left as Value) === number ? right : undefined;
  };
}

function power(graph: Graph, [base, exponent]: readonly Value[]): Value | undefined {
  const number = uniformNumber(exponent as Value);
  if (number === 1) return base;
  const { shape, type } = base as Value;
  if (number === 2) return graph.operation('Mul', [base as Value, base as Value], shape, type);
  return number === 0.5 ? graph.operation('Sqrt', [base as Value], shape, type) : undefined;
}

/** `c ? 1 : 0` is `c` as a number, which ONNX Runtime computes in one pass over memory; a choice takes several. */
function oneOrZero(graph: Graph, [condition, yes, no]: readonly Value[]): Value | undefined {
  if (uniformNumber(yes as Value) !== 1 || uniformNumber(no as Value) !== 0) return undefined;
  const { shape } = condition as Value;
  const { type } = yes as Value;
  return graph.operation('Cast', [condition as Value], shape, type, { to: ELEMENT_TYPE_CODES[type] });
}

const RULES: Readonly<Record<string, Rule>> = {
  Add: eitherIdentity(0),
  Sub: rightIdentity(0),
  Mul: eitherIdentity(1),
  Div: rightIdentity(1),
  Pow: power,
  Where: oneOrZero,
};

/**
 * A value that equals an element-wise operation at less cost: x + 0, x − 0, x · 1, x / 1, x ^ 1, x ^ 2, √x,
 * c ? 1 : 0.
 * The result may have a smaller shape than the operation's; the caller broadcasts it.
 */
function simplify(graph: Graph, operator: string, inputs: readonly Value[], type: ElementType): Value | undefined {
  const result = RULES[operator]?.(graph, inputs);
  if (result === undefined || result.type !== type) return undefined;
  // the result must broadcast to the operation's shape, which it does unless the other input has more axes of its own
  const shape = broadcastShapes(inputs.map((input) => input.shape));
  return sameShape(broadcastShapes([result.shape, shape]), shape) ? result : undefined;
}
