import { elementwise } from '../graph/elementwise.js';
import type { Graph } from '../graph/graph.js';
import { type Attributes, ELEMENT_TYPE_CODES, type ElementType, type Value } from '../graph/value.js';

/** A kernel's inputs by tfjs's name; a list of tensors has the names "0", "1", …. Optional ones may be absent. */
export type KernelInputs = Readonly<Record<string, Value>>;

/**
 * What happens while tracing when all inputs are constant: `elementwise` kernels are computed on the unrepeated numbers,
 * `whole` ones on the full numbers, `small` ones too unless that would take long, and `never` ones are left to `emit`.
 */
type Folding = 'elementwise' | 'whole' | 'small' | 'never';

/** How one tfjs kernel is expressed by operations of a graph. */
export interface Kernel {
  readonly name: string;
  readonly folding: Folding;
  emit(graph: Graph, inputs: KernelInputs, attributes: object): Value | readonly Value[];
}

type Emit<Attributes extends object> = (
  graph: Graph,
  inputs: KernelInputs,
  attributes: Attributes,
) => Value | readonly Value[];

/** @param name the kernel's name in tfjs */
export function defineKernel<Attributes extends object = object>(
  name: string,
  emit: Emit<Attributes>,
  folding: Folding = 'whole',
): Kernel {
  return { name, emit, folding };
}

/** An input that the kernel always has. */
export function input(inputs: KernelInputs, name: string): Value {
  const value = inputs[name];
  if (value === undefined) throw new TypeError(`kernel input "${name}" is missing`);
  return value;
}

/** A number where a value is due: it takes the element type of the value beside it. */
type Operand = Value | number;

function valuesOf(
  graph: Graph,
  operands: readonly Operand[],
): { readonly type: ElementType; readonly values: Value[] } {
  const type = operands.find((operand) => typeof operand !== 'number')?.type ?? 'float32';
  return { type, values: operands.map((each) => (typeof each === 'number' ? graph.scalar(each, type) : each)) };
}

/** An element-wise operation whose result has the type of its first value. */
export function apply(
  graph: Graph,
  operator: string,
  operands: readonly Operand[],
  attributes: Attributes = {},
): Value {
  const { type, values } = valuesOf(graph, operands);
  return elementwise(graph, operator, values, type, attributes);
}

/** A comparison or another test of each element. */
export function test(graph: Graph, operator: string, operands: readonly Operand[]): Value {
  return elementwise(graph, operator, valuesOf(graph, operands).values, 'bool');
}

/** `condition ? yes : no` for each element. */
export function choose(graph: Graph, condition: Value, yes: Operand, no: Operand): Value {
  const { type, values } = valuesOf(graph, [yes, no]);
  return elementwise(graph, 'Where', [condition, ...values], type);
}

export function cast(graph: Graph, value: Value, type: ElementType): Value {
  if (value.type === type) return value;
  return elementwise(graph, 'Cast', [value], type, { to: ELEMENT_TYPE_CODES[type] });
}
