import { ELEMENT_TYPE_CODES } from '../graph/element-types.js';
import { elementwise } from '../graph/elementwise.js';
import type { Graph } from '../graph/graph.js';
import type { Attributes, ElementType, Value } from '../graph/value.js';

/** A number where a value is due: it takes the element type of the value beside it. */
export type Operand = Value | number;

function valueOf(graph: Graph, operand: Operand, type: ElementType): Value {
  return typeof operand === 'number' ? graph.scalar(operand, type) : operand;
}

/** An element-wise operation whose result has the type of its first value. */
export function apply(
  graph: Graph,
  operator: string,
  operands: readonly Operand[],
  attributes: Attributes = {},
): Value {
  const typed = operands.find((operand): operand is Value => typeof operand !== 'number');
  const type = typed?.type ?? 'float32';
  const inputs = operands.map((operand) => valueOf(graph, operand, type));
  return elementwise(graph, operator, inputs, type, attributes);
}

/** A comparison or another test of each element. */
export function test(graph: Graph, operator: string, operands: readonly Operand[]): Value {
  const typed = operands.find((operand): operand is Value => typeof operand !== 'number');
  const inputs = operands.map((operand) => valueOf(graph, operand, typed?.type ?? 'float32'));
  return elementwise(graph, operator, inputs, 'bool');
}

/** `condition ? yes : no` for each element. */
export function choose(graph: Graph, condition: Value, yes: Operand, no: Operand): Value {
  const typed = [yes, no].find((operand): operand is Value => typeof operand !== 'number');
  const type = typed?.type ?? 'float32';
  return elementwise(graph, 'Where', [condition, valueOf(graph, yes, type), valueOf(graph, no, type)], type);
}

export function cast(graph: Graph, value: Value, type: ElementType): Value {
  if (value.type === type) return value;
  return elementwise(graph, 'Cast', [value], type, { to: ELEMENT_TYPE_CODES[type] });
}
