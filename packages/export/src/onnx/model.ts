import protobuf from 'protobufjs/light.js';
import { DataError, refuser } from '@drf/tensor';

type Field = readonly [type: string, id: number, repeated?: 'repeated'];

/**
 * The messages and fields of an ONNX file that this project's models consist of; everything else a file may hold is
 * dropped when it is read. Source: onnx.proto3 of the ONNX project, IR version 8.
 */
const MESSAGES: Readonly<Record<string, Readonly<Record<string, Field>>>> = {
  ModelProto: {
    irVersion: ['int64', 1],
    producerName: ['string', 2],
    docString: ['string', 6],
    graph: ['GraphProto', 7],
    opsetImport: ['OperatorSetIdProto', 8, 'repeated'],
    metadataProps: ['StringStringEntryProto', 14, 'repeated'],
  },
  OperatorSetIdProto: { domain: ['string', 1], version: ['int64', 2] },
  StringStringEntryProto: { key: ['string', 1], value: ['string', 2] },
  GraphProto: {
    node: ['NodeProto', 1, 'repeated'],
    name: ['string', 2],
    initializer: ['TensorProto', 5, 'repeated'],
    input: ['ValueInfoProto', 11, 'repeated'],
    output: ['ValueInfoProto', 12, 'repeated'],
  },
  NodeProto: {
    input: ['string', 1, 'repeated'],
    output: ['string', 2, 'repeated'],
    name: ['string', 3],
    opType: ['string', 4],
    attribute: ['AttributeProto', 5, 'repeated'],
    domain: ['string', 7],
  },
  AttributeProto: {
    name: ['string', 1],
    f: ['float', 2],
    i: ['int64', 3],
    s: ['bytes', 4],
    floats: ['float', 7, 'repeated'],
    ints: ['int64', 8, 'repeated'],
    type: ['int32', 20],
  },
  TensorProto: { dims: ['int64', 1, 'repeated'], dataType: ['int32', 2], name: ['string', 8], rawData: ['bytes', 9] },
  ValueInfoProto: { name: ['string', 1], type: ['TypeProto', 2] },
  TypeProto: { tensorType: ['TensorTypeProto', 1] },
  TensorTypeProto: { elemType: ['int32', 1], shape: ['TensorShapeProto', 2] },
  TensorShapeProto: { dim: ['DimensionProto', 1, 'repeated'] },
  DimensionProto: { dimValue: ['int64', 1], dimParam: ['string', 2] },
};

function buildRoot(): protobuf.Root {
  const root = new protobuf.Root();
  for (const [name, fields] of Object.entries(MESSAGES)) {
    const type = new protobuf.Type(name);
    for (const [fieldName, [fieldType, id, rule]] of Object.entries(fields)) {
      type.add(new protobuf.Field(fieldName, id, fieldType, rule));
    }
    root.add(type);
  }
  root.resolveAll();
  return root;
}

const ModelProto: protobuf.Type = buildRoot().lookupType('ModelProto');

/** Element types by their codes in ONNX files, as far as this project's models have them. */
export const ELEMENT_TYPES = { 1: 'float32', 6: 'int32', 7: 'int64', 9: 'bool' } as const;
export const INT64 = 7;

export interface OnnxAttribute {
  readonly name: string;
  readonly type: number;
  readonly f?: number;
  readonly i?: number;
  readonly s?: Uint8Array;
  readonly floats?: readonly number[];
  readonly ints?: readonly number[];
}

/** One operation. An empty input name stands for an optional input that is absent. */
export interface OnnxNode {
  readonly name: string;
  readonly opType: string;
  readonly domain?: string;
  readonly input: readonly string[];
  readonly output: readonly string[];
  readonly attribute: readonly OnnxAttribute[];
}

/** A constant: numbers in little-endian order. */
export interface OnnxTensor {
  readonly name: string;
  readonly dims: readonly number[];
  readonly dataType: number;
  readonly rawData: Uint8Array;
}

/** A size, or a name for one that differs from call to call. */
export type OnnxDimension = { readonly dimValue?: number; readonly dimParam?: string };

export interface OnnxValueInfo {
  readonly name: string;
  readonly type: {
    readonly tensorType: { readonly elemType: number; readonly shape: { readonly dim: readonly OnnxDimension[] } };
  };
}

export interface OnnxGraph {
  readonly name: string;
  readonly node: readonly OnnxNode[];
  readonly initializer: readonly OnnxTensor[];
  readonly input: readonly OnnxValueInfo[];
  readonly output: readonly OnnxValueInfo[];
}

/** An ONNX model as plain objects. */
export interface OnnxModel {
  readonly irVersion: number;
  readonly producerName?: string;
  readonly docString?: string;
  readonly opsetImport: readonly { readonly domain?: string; readonly version: number }[];
  readonly metadataProps: readonly { readonly key: string; readonly value: string }[];
  readonly graph: OnnxGraph;
}

/** @throws DataError when the bytes are not an ONNX model */
export function decodeModel(bytes: Uint8Array): OnnxModel {
  try {
    const model = ModelProto.toObject(ModelProto.decode(bytes), { longs: Number, arrays: true }) as Partial<OnnxModel>;
    if (model.graph === undefined) throw new TypeError('it has no graph');
    return model as OnnxModel;
  } catch (error) {
    throw refuser(DataError, 'decodeModel')('the bytes of an ONNX model', (error as Error).message, undefined, error);
  }
}

/** A model of whose results only the names are known: the runtime finds types and shapes. */
interface UntypedModel extends Omit<OnnxModel, 'graph'> {
  readonly graph: Omit<OnnxGraph, 'output'> & { readonly output: readonly Pick<OnnxValueInfo, 'name'>[] };
}

export function encodeModel(model: OnnxModel | UntypedModel): Uint8Array {
  return ModelProto.encode(ModelProto.fromObject(model)).finish();
}

/** The sizes of an input or output, named ones by their name. */
export function shapeOf(info: OnnxValueInfo): (number | string)[] {
  return info.type.tensorType.shape.dim.map(({ dimValue, dimParam }) => dimParam ?? dimValue ?? 0);
}

/** An int64 constant of rank 1, such as ONNX operators take for shapes and axes. */
export function int64Tensor(name: string, numbers: readonly number[]): OnnxTensor {
  const data = BigInt64Array.from(numbers, (number) => BigInt(number));
  return { name, dims: [numbers.length], dataType: INT64, rawData: new Uint8Array(data.buffer) };
}

/** The numbers of an int64 constant. */
export function int64Numbers({ rawData }: OnnxTensor): number[] {
  const view = new DataView(rawData.buffer, rawData.byteOffset, rawData.byteLength);
  return Array.from({ length: rawData.byteLength / 8 }, (_, i) => Number(view.getBigInt64(8 * i, true)));
}
