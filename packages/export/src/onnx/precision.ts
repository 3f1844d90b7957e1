import { encodeFloat16 } from '@drf/encoders';
import type { Precision } from '../names.js';
import { FLOAT16, FLOAT32, INT8, int64Tensor, type OnnxModel, type OnnxNode, type OnnxTensor } from '@drf/onnx';

/** Which input of an operation holds weights. */
const WEIGHT_INPUTS: Readonly<Record<string, number>> = { Gemm: 1, MatMul: 1, Conv: 1, Gather: 0 };
/** Smaller constants are left as they are: all of them together are a hundredth of a model. */
const LEAST_WEIGHTS = 1024;
/** Smaller matrices, and kernels that go over one channel each, lose much by int8 and save little: they become float16. */
const LEAST_INT8_WEIGHTS = 65_536;
/** Weights that share a scale, in the order in which they are stored. */
const BLOCK = 32;
const LARGEST_INT8 = 127;
const LARGEST_FLOAT16 = 65_504;

/**
 * A model with its weights in half precision, or as 8-bit integers with a scale for every 32 of them. Operations of plain
 * ONNX (`Cast`, `Mul`, `Reshape`) turn them into float32 again; they hang on constants alone, so a runtime does that once,
 * when it opens the model, and then computes as it would have. So files shrink, while time and memory stay.
 *
 * Scales by output channel would be the usual choice; for the embedded encoders they cost more than twice as much in
 * probabilities as scales by block. Integer operations (`MatMulInteger`, `ConvInteger`) took three times as long on a CPU
 * as float32, and `DequantizeLinear`, which ONNX Runtime leaves for every call, a fifth more.
 * @param isKept whether a constant must stay as it is
 */
export function withPrecision(
  model: OnnxModel,
  precision: Precision,
  isKept: (tensor: OnnxTensor) => boolean,
): OnnxModel {
  if (precision === 'float32') return model;
  const { graph } = model;
  const weights = weightNames(graph.node);
  const nodes: OnnxNode[] = [];
  const initializer = graph.initializer.flatMap((tensor) => {
    const isWeight = weights.has(tensor.name) && tensor.dataType === FLOAT32 && countOf(tensor) >= LEAST_WEIGHTS;
    const packed = !isWeight || isKept(tensor) ? null : packedTensor(tensor, precision);
    nodes.push(...(packed?.nodes ?? []));
    return packed?.constants ?? [tensor];
  });
  return { ...model, graph: { ...graph, node: [...nodes, ...graph.node], initializer } };
}

/** Names of what operations read as weights, and nothing reads as anything else. */
function weightNames(nodes: readonly OnnxNode[]): ReadonlySet<string> {
  const weights = new Set<string>();
  const others = new Set<string>();
  for (const { opType, input } of nodes) {
    input.forEach((name, i) => (WEIGHT_INPUTS[opType] === i ? weights : others).add(name));
  }
  for (const name of others) weights.delete(name);
  return weights;
}

function countOf({ dims }: OnnxTensor): number {
  return dims.reduce((product, size) => product * size, 1);
}

/** Constants that stand for one, and the operations that make it of them. */
interface Packed {
  readonly constants: readonly OnnxTensor[];
  readonly nodes: readonly OnnxNode[];
}

function packedTensor(tensor: OnnxTensor, precision: Precision): Packed | null {
  const numbers = new Float32Array(Uint8Array.from(tensor.rawData).buffer);
  const isOneChannelEach = tensor.dims.length > 2 && tensor.dims[1] === 1;
  const fits = numbers.length >= LEAST_INT8_WEIGHTS && numbers.length % BLOCK === 0 && !isOneChannelEach;
  return precision === 'int8' && fits ? asInt8(tensor, numbers) : asFloat16(tensor, numbers);
}

/** null where a number is too large for half precision. */
function asFloat16({ name, dims }: OnnxTensor, numbers: Float32Array): Packed | null {
  if (!numbers.every((number) => Math.abs(number) <= LARGEST_FLOAT16)) return null;
  const stored = `${name}_float16`;
  return {
    constants: [{ name: stored, dims, dataType: FLOAT16, rawData: bytesOf(encodeFloat16(numbers)) }],
    nodes: [castToFloat32(stored, name)],
  };
}

/** Blocks of {@link BLOCK} weights: integers [blocks, BLOCK] times scales [blocks, 1]. null for what is not finite. */
function asInt8({ name, dims }: OnnxTensor, numbers: Float32Array): Packed | null {
  if (!numbers.every(Number.isFinite)) return null;
  const blocks = numbers.length / BLOCK;
  const scales = Float32Array.from({ length: blocks }, (_, block) => {
    const largest = numbers.subarray(block * BLOCK, (block + 1) * BLOCK).reduce((most, each) => Math.max(most, Math.abs(each)), 0); // prettier-ignore
    return largest / LARGEST_INT8;
  });
  const integers = Int8Array.from(numbers, (number, i) => {
    const scale = scales[Math.floor(i / BLOCK)] as number;
    return scale === 0 ? 0 : Math.max(-LARGEST_INT8, Math.min(LARGEST_INT8, Math.round(number / scale)));
  });
  const part = (of: string): string => `${name}_${of}`;
  return {
    constants: [
      { name: part('int8'), dims: [blocks, BLOCK], dataType: INT8, rawData: bytesOf(integers) },
      { name: part('scale'), dims: [blocks, 1], dataType: FLOAT32, rawData: bytesOf(scales) },
      int64Tensor(part('shape'), dims),
    ],
    nodes: [
      castToFloat32(part('int8'), part('whole')),
      { name: '', opType: 'Mul', input: [part('whole'), part('scale')], output: [part('blocks')], attribute: [] },
      { name: '', opType: 'Reshape', input: [part('blocks'), part('shape')], output: [name], attribute: [] },
    ],
  };
}

const INT_ATTRIBUTE = 2;

function castToFloat32(from: string, to: string): OnnxNode {
  return { name: '', opType: 'Cast', input: [from], output: [to], attribute: [{ name: 'to', type: INT_ATTRIBUTE, i: FLOAT32 }] }; // prettier-ignore
}

function bytesOf({ buffer, byteOffset, byteLength }: Uint16Array | Int8Array | Float32Array): Uint8Array {
  return new Uint8Array(buffer as ArrayBuffer, byteOffset, byteLength);
}

/**
 * The constants of a head that its densities, and its probabilities of being intact, rest on, which stay in float32: a
 * density adds up squares over a thousand and more numbers, so that small errors of one sign become many nats; and whether
 * an output looks intact decides which classifier of the head reads it.
 * @returns whether a constant is one of them, in this model or in another that has the head inside
 */
export function densityConstants({ graph }: OnnxModel): (tensor: OnnxTensor) => boolean {
  const producers = new Map(graph.node.flatMap((node) => node.output.map((name) => [name, node] as const)));
  const reached = new Set<string>();
  const visit = (name: string): void => {
    if (reached.has(name)) return;
    reached.add(name);
    producers.get(name)?.input.forEach(visit);
  };
  for (const { name } of graph.output) if (/density|^intact/i.test(name)) visit(name);
  const kept = new Map<string, OnnxTensor[]>();
  for (const tensor of graph.initializer) {
    if (!reached.has(tensor.name)) continue;
    const key = tensor.dims.join();
    kept.set(key, [...(kept.get(key) ?? []), tensor]);
  }
  const isSame = (a: Uint8Array, b: Uint8Array): boolean => Buffer.compare(a, b) === 0;
  return ({ dims, rawData }) => kept.get(dims.join())?.some((each) => isSame(each.rawData, rawData)) ?? false;
}
