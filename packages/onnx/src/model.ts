import { DataError, refuser } from '@drf/tensor';
import { ModelProto } from './schema.js';

/** Element types by their codes in ONNX files, as far as this project's models have them. */
export const ELEMENT_TYPES = { 1: 'float32', 3: 'int8', 6: 'int32', 7: 'int64', 9: 'bool', 10: 'float16' } as const;
export const FLOAT32 = 1;
export const INT8 = 3;
export const INT64 = 7;
export const FLOAT16 = 10;

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
  /** What is known of values in between. */
  readonly valueInfo?: readonly OnnxValueInfo[];
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
