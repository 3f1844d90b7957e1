import type { Graph } from '../graph/graph.js';
import { range } from '../graph/shapes.js';
import type { Value } from '../graph/value.js';
import { backend_util } from '@tensorflow/tfjs';
import { defineKernel, input, type Kernel } from './kernel.js';
import { slice } from './slicing.js';

type Paddings = readonly (readonly [before: number, after: number])[];

/** Puts a number around a value; a transposed value is padded as it lies in memory. */
export function pad(graph: Graph, x: Value, paddings: Paddings, number: number): Value {
  if (paddings.every(([before, after]) => before === 0 && after === 0)) return x;
  const transposition = graph.transposition(x);
  if (transposition !== undefined) {
    const { of, permutation } = transposition;
    const lying = Array<readonly [number, number]>(paddings.length);
    permutation.forEach((from, to) => (lying[from] = paddings[to] as readonly [number, number]));
    return graph.transpose(pad(graph, of, lying, number), permutation);
  }
  const shape = x.shape.map((size, axis) => size + paddings[axis]![0] + paddings[axis]![1]);
  const amounts = graph.integers([...paddings.map(([before]) => before), ...paddings.map(([, after]) => after)]);
  return graph.operation('Pad', [x, amounts, graph.scalar(number, x.type)], shape, x.type, { mode: 'constant' });
}

/** The place that a mirrored place shows: `edge` 1 leaves the border out (reflect), 0 repeats it (symmetric). */
function mirrored(place: number, size: number, edge: 0 | 1): number {
  if (place < 0) return -place - 1 + edge;
  return place < size ? place : 2 * size - 1 - place - edge;
}

/** Mirrors a value at its borders by picking rows axis after axis: ONNX knows only one of the two ways. */
function mirrorPad(graph: Graph, x: Value, paddings: Paddings, mode: 'reflect' | 'symmetric'): Value {
  const edge = mode === 'reflect' ? 1 : 0;
  return paddings.reduce((value, [before, after], axis) => {
    if (before === 0 && after === 0) return value;
    const size = value.shape[axis] as number;
    const count = before + size + after;
    const places = Int32Array.from(range(-before, count), (place) => mirrored(place, size, edge));
    const shape = value.shape.map((each, at) => (at === axis ? count : each));
    return graph.operation('Gather', [value, graph.constant(places, [count], 'int32')], shape, value.type, { axis });
  }, x);
}

interface BlockAttributes {
  readonly blockShape: number[];
}

function spaceToBatch(graph: Graph, x: Value, blockShape: number[], paddings: Paddings): Value {
  const count = blockShape.reduce((product, size) => product * size, 1);
  const rest = x.shape.slice(1 + blockShape.length).map((): readonly [number, number] => [0, 0]);
  const padded = pad(graph, x, [[0, 0], ...paddings, ...rest], 0);
  const split = backend_util.getReshaped([...padded.shape], blockShape, count, false);
  const permutation = backend_util.getPermuted(split.length, blockShape.length, false);
  const shape = backend_util.getReshapedPermuted([...padded.shape], blockShape, count, false);
  return graph.reshape(graph.transpose(graph.reshape(padded, split), permutation), shape);
}

function batchToSpace(graph: Graph, x: Value, blockShape: number[], crops: number[][]): Value {
  const count = blockShape.reduce((product, size) => product * size, 1);
  const split = backend_util.getReshaped([...x.shape], blockShape, count);
  const permutation = backend_util.getPermuted(split.length, blockShape.length);
  const shape = backend_util.getReshapedPermuted([...x.shape], blockShape, count);
  const space = graph.reshape(graph.transpose(graph.reshape(x, split), permutation), shape);
  // tfjs names the batch and the block's axes only; the rest stays whole
  const rest = shape.slice(1 + blockShape.length);
  const begin = [...backend_util.getSliceBeginCoords(crops, blockShape.length), ...rest.map(() => 0)];
  return slice(graph, space, begin, [...backend_util.getSliceSize(shape, crops, blockShape.length), ...rest]);
}

export const PADDING_KERNELS: readonly Kernel[] = [
  defineKernel<{ readonly paddings: Paddings; readonly constantValue: number }>(
    'PadV2',
    (graph, inputs, { paddings, constantValue }) => pad(graph, input(inputs, 'x'), paddings, constantValue),
  ),
  defineKernel<{ readonly paddings: Paddings; readonly mode: 'reflect' | 'symmetric' }>(
    'MirrorPad',
    (graph, inputs, { paddings, mode }) => mirrorPad(graph, input(inputs, 'x'), paddings, mode),
  ),
  defineKernel<BlockAttributes & { readonly paddings: Paddings }>(
    'SpaceToBatchND',
    (graph, inputs, { blockShape, paddings }) => spaceToBatch(graph, input(inputs, 'x'), blockShape, paddings),
  ),
  defineKernel<BlockAttributes & { readonly crops: number[][] }>(
    'BatchToSpaceND',
    (graph, inputs, { blockShape, crops }) => batchToSpace(graph, input(inputs, 'x'), blockShape, crops),
  ),
];
