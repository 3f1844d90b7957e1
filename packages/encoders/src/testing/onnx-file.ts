import protobuf from 'protobufjs';

/** The part of onnx.proto (IR version 8) that the tests' models need, by field number. */
const SCHEMA = `syntax = "proto3"; package onnx;
message Attribute { string name = 1; float f = 2; int64 i = 3; repeated int64 ints = 8; int32 type = 20; }
message Tensor { repeated int64 dims = 1; int32 data_type = 2; repeated float float_data = 4 [packed = true];
  repeated int64 int64_data = 7 [packed = true]; string name = 8; }
message Dimension { int64 dim_value = 1; string dim_param = 2; }
message Shape { repeated Dimension dim = 1; }
message TensorType { int32 elem_type = 1; Shape shape = 2; }
message Type { TensorType tensor_type = 1; }
message Value { string name = 1; Type type = 2; }
message Node { repeated string input = 1; repeated string output = 2; string name = 3; string op_type = 4;
  repeated Attribute attribute = 5; }
message Graph { repeated Node node = 1; string name = 2; repeated Tensor initializer = 5; repeated Value input = 11;
  repeated Value output = 12; }
message OperatorSet { string domain = 1; int64 version = 2; }
message Model { int64 ir_version = 1; Graph graph = 7; repeated OperatorSet opset_import = 8; }`;

const Model = protobuf.parse(SCHEMA, { keepCase: true }).root.lookupType('onnx.Model');

const ELEMENT_TYPES = { float: 1, int64: 7 } as const;
type ElementType = keyof typeof ELEMENT_TYPES;

export interface OnnxValue {
  readonly name: string;
  readonly type: ElementType;
  /** A number, or a name for a size that may vary. */
  readonly shape: readonly (number | string)[];
}

export interface OnnxNode {
  readonly type: string;
  readonly inputs: readonly string[];
  readonly output: string;
  readonly attributes?: Readonly<Record<string, number | readonly number[]>>;
}

export interface OnnxGraph {
  readonly inputs: readonly OnnxValue[];
  readonly outputs: readonly OnnxValue[];
  readonly weights: Readonly<Record<string, { type: ElementType; shape: readonly number[]; data: readonly number[] }>>;
  readonly nodes: readonly OnnxNode[];
}

function value({ name, type, shape }: OnnxValue) {
  const dim = shape.map((size) => (typeof size === 'number' ? { dim_value: size } : { dim_param: size }));
  return { name, type: { tensor_type: { elem_type: ELEMENT_TYPES[type], shape: { dim } } } };
}

function attribute([name, given]: [string, number | readonly number[]]) {
  return typeof given === 'number' ? { name, i: given, type: 2 } : { name, ints: given, type: 7 };
}

/** A model file for ONNX Runtime, opset 13. */
export function onnxFile(graph: OnnxGraph): Uint8Array {
  const initializer = Object.entries(graph.weights).map(([name, { type, shape, data }]) => ({
    name,
    dims: shape,
    data_type: ELEMENT_TYPES[type],
    ...(type === 'float' ? { float_data: data } : { int64_data: data }),
  }));
  const node = graph.nodes.map(({ type, inputs, output, attributes = {} }) => ({
    op_type: type,
    name: output,
    input: inputs,
    output: [output],
    attribute: Object.entries(attributes).map(attribute),
  }));
  const message = Model.create({
    ir_version: 8,
    opset_import: [{ version: 13 }],
    graph: { name: 'test', node, initializer, input: graph.inputs.map(value), output: graph.outputs.map(value) },
  });
  return Model.encode(message).finish();
}
