import { sizeOf } from '@drf/tensor';

/**
 * Element types inside a graph. `int64` only holds the shapes and axes that ONNX operators take; `int8` and `uint8` what
 * goes into products of whole numbers.
 */
export type ElementType = 'float32' | 'int32' | 'bool' | 'int64' | 'int8' | 'uint8';

export type ElementData = Float32Array | Int32Array | Uint8Array | BigInt64Array | Int8Array;

export type AttributeValue = number | string | readonly number[] | { readonly float: number };
export type Attributes = Readonly<Record<string, AttributeValue>>;

/** One operation of the graph: an ONNX operator of the default domain. */
export interface Operation {
  readonly operator: string;
  /** `null` stands for an optional input that is absent. */
  readonly inputs: readonly (Value | null)[];
  readonly attributes: Attributes;
}

/** Where a value comes from. */
export type Source =
  | { readonly kind: 'input' }
  | { readonly kind: 'constant'; readonly data: ElementData }
  | { readonly kind: 'operation'; readonly operation: Operation; readonly index: number }
  /** The base, repeated along axes as NumPy broadcasting does; nothing is computed unless an operator needs it. */
  | { readonly kind: 'broadcast'; readonly base: Value };

/** An edge of the graph: a tensor whose shape and type are known while its numbers are not, unless it is constant. */
export interface Value {
  readonly id: number;
  readonly type: ElementType;
  readonly shape: readonly number[];
  readonly source: Source;
}

/** What enters a graph: an input of one call, or a leaf of the state. */
export type InputRole = 'input' | 'state';

/** What leaves a graph: an output of one call, a leaf of the next state, or what a loop after it reads. */
export type OutputRole = 'output' | 'next' | 'array' | 'scalar';

/** A value at a graph's border. Names tell values of one role apart. */
export interface Port<Role extends InputRole | OutputRole> {
  readonly role: Role;
  readonly name: string;
  readonly value: Value;
}

/** The value that a broadcast repeats, or the value itself. */
export function baseOf(value: Value): Value {
  return value.source.kind === 'broadcast' ? value.source.base : value;
}

/** A constant's numbers, or undefined when the value is computed. A broadcast is not a constant; its base may be. */
export function constantData(value: Value): ElementData | undefined {
  return value.source.kind === 'constant' ? value.source.data : undefined;
}

/** The number that fills a constant everywhere, however it is shaped. */
export function uniformNumber(value: Value): number | undefined {
  const base = baseOf(value);
  const data = constantData(base);
  return data !== undefined && sizeOf(base.shape) === 1 ? Number(data[0]) : undefined;
}

/** The operation that makes a value, if it is the named operator. */
export function madeBy(value: Value, operator: string): Operation | undefined {
  const { source } = value;
  return source.kind === 'operation' && source.operation.operator === operator ? source.operation : undefined;
}

/** ONNX's numbers of the element types (TensorProto.DataType). */
export const ELEMENT_TYPE_CODES: Readonly<Record<ElementType, number>> = {
  float32: 1,
  uint8: 2,
  int8: 3,
  int32: 6,
  int64: 7,
  bool: 9,
};
