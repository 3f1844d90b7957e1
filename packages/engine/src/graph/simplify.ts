import type { Graph } from './graph.js';
import { broadcastShapes, sameShape } from './shapes.js';
import { uniformNumber, type ElementType, type Value } from './value.js';

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

const RULES: Readonly<Record<string, Rule>> = {
  Add: eitherIdentity(0),
  Sub: rightIdentity(0),
  Mul: eitherIdentity(1),
  Div: rightIdentity(1),
  Pow: power,
};

/**
 * A value that equals an element-wise operation at less cost: x + 0, x − 0, x · 1, x / 1, x ^ 1, x ^ 2, √x.
 * The result may have a smaller shape than the operation's; the caller broadcasts it.
 */
export function simplify(
  graph: Graph,
  operator: string,
  inputs: readonly Value[],
  type: ElementType,
): Value | undefined {
  const result = RULES[operator]?.(graph, inputs);
  if (result === undefined || result.type !== type) return undefined;
  // the result must broadcast to the operation's shape, which it does unless the other input has more axes of its own
  const shape = broadcastShapes(inputs.map((input) => input.shape));
  return sameShape(broadcastShapes([result.shape, shape]), shape) ? result : undefined;
}
