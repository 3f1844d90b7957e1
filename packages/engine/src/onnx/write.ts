import type { OnnxAttribute, OnnxModel, OnnxNode, OnnxTensor, OnnxValueInfo } from '@drf/onnx';
import {
  type Attributes,
  type AttributeValue,
  ELEMENT_TYPE_CODES,
  type InputRole,
  type Operation,
  type OutputRole,
  type Port,
  type Value,
} from '../graph/value.js';
import { type Made, reachable, type TracedFunction } from '../graph/graph.js';

/** The newest opset that ONNX 1.12's checker knows; every operator used here exists in it. */
const OPSET = 17;
const IR_VERSION = 8;
const ATTRIBUTE_TYPES = { float: 1, int: 2, string: 3, ints: 7 } as const;

/** Text about a model that goes into its file. */
export interface ModelNotes {
  readonly name?: string;
  readonly description?: string;
  readonly metadata?: Readonly<Record<string, string>>;
}

function attribute(name: string, value: AttributeValue): OnnxAttribute {
  if (typeof value === 'number') return { name, type: ATTRIBUTE_TYPES.int, i: value };
  if (typeof value === 'string') return { name, type: ATTRIBUTE_TYPES.string, s: new TextEncoder().encode(value) };
  if ('float' in value) return { name, type: ATTRIBUTE_TYPES.float, f: value.float };
  return { name, type: ATTRIBUTE_TYPES.ints, ints: [...value] };
}

function attributes(all: Attributes): OnnxAttribute[] {
  return Object.entries(all).map(([name, value]) => attribute(name, value));
}

function valueInfo(name: string, { shape, type }: Value): OnnxValueInfo {
  const dim = shape.map((dimValue) => ({ dimValue }));
  return { name, type: { tensorType: { elemType: ELEMENT_TYPE_CODES[type], shape: { dim } } } };
}

/** What a graph calls a value at its border; the role keeps an input `x` and an output `x` apart. */
export function portName({ role, name }: Omit<Port<InputRole | OutputRole>, 'value'>): string {
  return `${role}.${name}`;
}

/** Gives values names: inputs and outputs their own, the rest numbers. */
class Names {
  private readonly names = new Map<Value, string>();

  constructor({ inputs, outputs }: TracedFunction, nameOf: typeof portName) {
    for (const port of inputs) this.names.set(port.value, nameOf(port));
    for (const port of outputs) {
      const { value } = port;
      if (value.source.kind === 'operation' && !this.names.has(value)) this.names.set(value, nameOf(port));
    }
  }

  of(value: Value): string {
    let name = this.names.get(value);
    if (name === undefined) this.names.set(value, (name = `v${this.names.size}`));
    return name;
  }
}

/** An output that is an input, a constant, or what another output is already, is copied. */
function copies(names: Names, outputs: readonly (readonly [name: string, value: Value])[]): OnnxNode[] {
  return outputs
    .filter(([name, value]) => names.of(value) !== name)
    .map(([name, value]) => {
      return { name: `output ${name}`, opType: 'Identity', input: [names.of(value)], output: [name], attribute: [] };
    });
}

function initializer(names: Names, value: Value): OnnxTensor {
  const { source, shape, type } = value;
  if (source.kind !== 'constant') throw new TypeError('only constants have numbers');
  const { buffer, byteOffset, byteLength } = source.data;
  return {
    name: names.of(value),
    dims: [...shape],
    dataType: ELEMENT_TYPE_CODES[type],
    rawData: new Uint8Array(buffer, byteOffset, byteLength),
  };
}

function node(names: Names, operation: Operation, outputs: readonly Value[], i: number): OnnxNode {
  return {
    name: `${operation.operator}_${i}`,
    opType: operation.operator,
    input: operation.inputs.map((value) => (value === null ? '' : names.of(value))),
    output: outputs.map((value) => names.of(value)),
    attribute: attributes(operation.attributes),
  };
}

/** A reshape to sizes that are computed: ONNX Runtime cannot tell what shape comes out. */
function isReshapedByChoice({ operation: { operator, inputs } }: Made): boolean {
  return operator === 'Reshape' && inputs[1]?.source.kind === 'operation';
}

/** What an ONNX model says of a traced function. */
export interface WriteOptions {
  readonly notes?: ModelNotes | undefined;
  /** What inputs and outputs are called in the file. */
  readonly nameOf?: typeof portName;
}

/**
 * A traced function as an ONNX model: static shapes, operators of the default domain only. Every input is declared, used or
 * not.
 */
export function modelOf(traced: TracedFunction, { notes = {}, nameOf = portName }: WriteOptions = {}): OnnxModel {
  const names = new Names(traced, nameOf);
  const outputs = traced.outputs.map((port) => [nameOf(port), port.value] as const);
  const { operations, constants } = reachable(traced);
  return {
    irVersion: IR_VERSION,
    producerName: '@drf/engine',
    docString: notes.description ?? '',
    opsetImport: [{ domain: '', version: OPSET }],
    metadataProps: Object.entries(notes.metadata ?? {}).map(([key, value]) => ({ key, value })),
    graph: {
      name: notes.name ?? 'traced',
      input: traced.inputs.map((port) => valueInfo(nameOf(port), port.value)),
      output: outputs.map(([name, value]) => valueInfo(name, value)),
      valueInfo: operations.filter(isReshapedByChoice).map(({ outputs: [value] }) => {
        return valueInfo(names.of(value as Value), value as Value);
      }),
      initializer: constants.map((value) => initializer(names, value)),
      node: [
        ...operations.map(({ operation, outputs }, i) => node(names, operation, outputs, i)),
        ...copies(names, outputs),
      ],
    },
  };
}
