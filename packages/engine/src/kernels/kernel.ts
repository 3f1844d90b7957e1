import type { Graph } from '../graph/graph.js';
import type { Value } from '../graph/value.js';

/** A kernel's inputs by tfjs's name; a list of tensors has the names "0", "1", …. Optional ones may be absent. */
export type KernelInputs = Readonly<Record<string, Value>>;

/**
 * What happens while tracing when all inputs are constant: `elementwise` kernels are computed on the unrepeated numbers,
 * `whole` ones on the full numbers, `small` ones too unless that would take long, and `never` ones are left to `emit`.
 */
export type Folding = 'elementwise' | 'whole' | 'small' | 'never';

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
  return { name, emit: emit, folding };
}

/** An input that the kernel always has. */
export function input(inputs: KernelInputs, name: string): Value {
  const value = inputs[name];
  if (value === undefined) throw new TypeError(`kernel input "${name}" is missing`);
  return value;
}
