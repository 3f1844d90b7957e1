import { backend_util, slice_util, type TensorInfo } from '@tensorflow/tfjs';
import type { Graph } from '../graph/graph.js';
import { invertPermutation, normalizeAxes, permute, range, sameShape } from '../graph/shapes.js';
import type { Value } from '../graph/value.js';
import { defineKernel, input, type Kernel } from './kernel.js';

/** What tfjs's own helpers take a value for; they look at its shape alone. */
function infoOf({ shape }: Value): TensorInfo {
  return { dataId: {}, shape: [...shape], dtype: 'float32' };
}

/** Beyond the first element, for a walk towards it: -1 would count from the end. */
const BEFORE_FIRST = -(2 ** 31);

/** Elements from `begin` up to but not including `end`, along every axis. */
export function slice(graph: Graph, x: Value, begin: readonly number[], size: readonly number[]): Value {
  if (sameShape(size, x.shape)) return x;
  const axes = range(0, x.shape.length).filter((axis) => size[axis] !== x.shape[axis]);
  const starts = axes.map((axis) => begin[axis] as number);
  const ends = axes.map((axis) => (begin[axis] as number) + (size[axis] as number));
  const inputs = [x, ...[starts, ends, axes].map((numbers) => graph.integers(numbers))];
  return graph.operation('Slice', inputs, size, x.type);
}

interface StridedSliceAttributes {
  readonly begin: number[];
  readonly end: number[];
  readonly strides: number[];
  readonly beginMask: number;
  readonly endMask: number;
  readonly ellipsisMask: number;
  readonly newAxisMask: number;
  readonly shrinkAxisMask: number;
}

function stridedSlice(graph: Graph, x: Value, attributes: StridedSliceAttributes): Value {
  const { begin, end, strides, beginMask, endMask, ellipsisMask, newAxisMask, shrinkAxisMask } = attributes;
  const info = slice_util.sliceInfo(
    [...x.shape], begin, end, strides, beginMask, endMask, ellipsisMask, newAxisMask, shrinkAxisMask,
  ); // prettier-ignore
  if (info.isIdentity) return graph.reshape(x, info.finalShape);
  const ends = info.end.map((each, axis) => ((info.strides[axis] as number) < 0 && each < 0 ? BEFORE_FIRST : each));
  const inputs = [x, ...[info.begin, ends, range(0, x.shape.length), info.strides].map((each) => graph.integers(each))];
  const sparse = slice_util.computeOutShape(info.begin, info.end, info.strides);
  return graph.reshape(graph.operation('Slice', inputs, sparse, x.type), info.finalShape);
}

function split(graph: Graph, x: Value, axis: number, sizes: readonly number[]): readonly Value[] {
  if (sizes.length === 1) return [x];
  const outputs = sizes.map((size) => ({
    shape: x.shape.map((each, at) => (at === axis ? size : each)),
    type: x.type,
  }));
  return graph.operationOf('Split', [x, graph.integers(sizes)], outputs, { axis });
}

/** Concatenates values that share a transposition as they lie in memory. */
export function concat(graph: Graph, values: readonly Value[], axis: number): Value {
  const filled = values.filter((value) => !value.shape.includes(0));
  const [first] = (filled.length > 0 ? filled : values) as [Value];
  if (filled.length <= 1) return first;
  const shape = first.shape.map((size, at) =>
    at === axis ? filled.reduce((sum, value) => sum + (value.shape[at] as number), 0) : size,
  );
  const permutation = graph.transposition(first)?.permutation;
  if (permutation === undefined || !filled.every((value) => sharesPermutation(graph, value, permutation))) {
    return graph.operation('Concat', filled, shape, first.type, { axis });
  }
  const sources = filled.map((value) => graph.untranspose(value, permutation));
  const lying = permute(shape, invertPermutation(permutation));
  const joined = graph.operation('Concat', sources, lying, first.type, { axis: permutation[axis] as number });
  return graph.transpose(joined, permutation);
}

function sharesPermutation(graph: Graph, value: Value, permutation: readonly number[]): boolean {
  const own = graph.transposition(value)?.permutation;
  return own !== undefined && sameShape(own, permutation);
}

function along(value: Value, axis: number): number {
  return normalizeAxes([axis], value.shape.length)[0] as number;
}

const pack = defineKernel<{ readonly axis: number }>('Pack', (graph, inputs, { axis }) => {
  const values = Object.values(inputs);
  const rank = (values[0] as Value).shape.length;
  const at = axis < 0 ? axis + rank + 1 : axis;
  return concat(
    graph,
    values.map((value) => graph.reshape(value, [...value.shape.slice(0, at), 1, ...value.shape.slice(at)])),
    at,
  );
});

const unpack = defineKernel<{ readonly axis: number }>('Unpack', (graph, inputs, { axis }) => {
  const value = input(inputs, 'value');
  const at = along(value, axis);
  const sizes = Array<number>(value.shape[at] as number).fill(1);
  const rest = value.shape.filter((_, each) => each !== at);
  return split(graph, value, at, sizes).map((part) => graph.reshape(part, rest));
});

const splitV = defineKernel<{ readonly numOrSizeSplits: number | number[]; readonly axis: number }>(
  'SplitV',
  (graph, inputs, { numOrSizeSplits, axis }) => {
    const x = input(inputs, 'x');
    const at = along(x, axis);
    return split(graph, x, at, backend_util.prepareSplitSize(infoOf(x), numOrSizeSplits, at));
  },
);

const reverse = defineKernel<{ readonly dims: number | number[] }>('Reverse', (graph, inputs, { dims }) => {
  const x = input(inputs, 'x');
  const axes = normalizeAxes([dims].flat(), x.shape.length);
  const each = (number: number): Value => graph.integers(axes.map(() => number));
  if (axes.length === 0) return x;
  return graph.operation('Slice', [x, each(-1), each(BEFORE_FIRST), graph.integers(axes), each(-1)], x.shape, x.type);
});

export const SLICING_KERNELS: readonly Kernel[] = [
  defineKernel<{ readonly begin: number[]; readonly size: number[] }>('Slice', (graph, inputs, { begin, size }) => {
    const x = input(inputs, 'x');
    const [starts, sizes] = slice_util.parseSliceParams(infoOf(x), begin, size) as [number[], number[]];
    return slice(graph, x, starts, sizes);
  }),
  defineKernel<StridedSliceAttributes>('StridedSlice', (graph, inputs, attributes) =>
    stridedSlice(graph, input(inputs, 'x'), attributes),
  ),
  defineKernel<{ readonly axis: number }>('Concat', (graph, inputs, { axis }) => {
    const values = Object.values(inputs);
    return concat(graph, values, along(values[0] as Value, axis));
  }),
  pack,
  unpack,
  splitV,
  reverse,
];
