import { sizeOf } from '@drf/tensor';
import type { Graph } from '../graph/graph.js';
import { reduce } from '../graph/reduce.js';
import { normalizeAxes } from '../graph/shapes.js';
import type { Value } from '../graph/value.js';
import { apply, cast, defineKernel, input, type Kernel } from './kernel.js';

interface GatherAttributes {
  readonly axis: number;
  readonly batchDims: number;
}

/** Rows of `x` along an axis; with batch axes, each batch's own rows. */
function gather(graph: Graph, x: Value, indices: Value, { axis, batchDims }: GatherAttributes): Value {
  const [at] = normalizeAxes([axis], x.shape.length) as [number];
  const shape = [...x.shape.slice(0, at), ...indices.shape.slice(batchDims), ...x.shape.slice(at + 1)];
  if (batchDims === 0) return graph.operation('Gather', [x, indices], shape, x.type, { axis: at });
  // ONNX gathers within batches only along the axis that follows them
  const moved = [...x.shape.keys()].filter((each) => each !== at);
  moved.splice(batchDims, 0, at);
  const places = graph.reshape(cast(graph, indices, 'int64'), [...indices.shape, 1]);
  const front = graph.transpose(x, moved);
  const frontShape = [...indices.shape, ...front.shape.slice(batchDims + 1)];
  const picked = graph.operation('GatherND', [front, places], frontShape, x.type, { batch_dims: batchDims });
  return graph.transpose(picked, orderAfterGather(at, batchDims, indices.shape.length, frontShape.length));
}

/** Puts the gathered axes, which lie behind the batch axes, where the gathered axis was. */
function orderAfterGather(axis: number, batchDims: number, indexRank: number, rank: number): number[] {
  const all = Array.from({ length: rank }, (_, each) => each);
  const gathered = all.slice(batchDims, indexRank);
  const between = all.slice(indexRank, indexRank + axis - batchDims);
  return [...all.slice(0, batchDims), ...between, ...gathered, ...all.slice(indexRank + between.length)];
}

/** Places [..., depth] in the first axes of a shape as places in those axes laid end to end: int64 [rows, 1]. */
function flatPlaces(graph: Graph, shape: readonly number[], places: Value): Value {
  const depth = places.shape.at(-1) as number;
  const wide = cast(graph, places, 'int64');
  if (depth === 1) return graph.reshape(wide, [sizeOf(places.shape), 1]);
  const strides = graph.integers(Array.from({ length: depth }, (_, axis) => sizeOf(shape.slice(axis + 1, depth))));
  const sums = reduce(graph, 'ReduceSum', apply(graph, 'Mul', [wide, strides]), [places.shape.length - 1], false);
  return graph.reshape(sums, [sizeOf(sums.shape), 1]);
}

/**
 * Adds updates at places of a tensor of zeros; `places` has shape [..., depth] and indexes the first `depth` axes. Not
 * by ONNX's ScatterND, whose sums were wrong at full size of BERT in one run (docs/log.md): as if of two updates of one
 * place, added by two threads, one was lost. ONNX Runtime's ScatterElements goes through them one after the other.
 */
function scatterAdd(graph: Graph, shape: readonly number[], places: Value, updates: Value): Value {
  const depth = places.shape.at(-1) as number;
  const [rows, width] = [sizeOf(shape.slice(0, depth)), sizeOf(shape.slice(depth))];
  const count = sizeOf(places.shape.slice(0, -1));
  const zeros = graph.broadcast(graph.scalar(0, updates.type), [rows, width]);
  const indices = graph.broadcast(flatPlaces(graph, shape, places), [count, width]);
  const inputs = [zeros, indices, graph.reshape(updates, [count, width])];
  const sums = graph.operation('ScatterElements', inputs, [rows, width], updates.type, { axis: 0, reduction: 'add' });
  return graph.reshape(sums, shape);
}

const gatherNd = defineKernel('GatherNd', (graph, inputs) => {
  const [x, indices] = [input(inputs, 'params'), input(inputs, 'indices')];
  const depth = indices.shape.at(-1) as number;
  const shape = [...indices.shape.slice(0, -1), ...x.shape.slice(depth)];
  return graph.operation('GatherND', [x, cast(graph, indices, 'int64')], shape, x.type);
});

const scatterNd = defineKernel<{ readonly shape: number[] }>('ScatterNd', (graph, inputs, { shape }) => {
  const [indices, updates] = [input(inputs, 'indices'), input(inputs, 'updates')];
  return scatterAdd(graph, shape, indices, updates);
});

/** The gradient of gathering: rows with one segment number are summed. */
const unsortedSegmentSum = defineKernel<{ readonly numSegments: number }>(
  'UnsortedSegmentSum',
  (graph, inputs, { numSegments }) => {
    const [x, segments] = [input(inputs, 'x'), input(inputs, 'segmentIds')];
    const shape = [numSegments, ...x.shape.slice(segments.shape.length)];
    return scatterAdd(graph, shape, graph.reshape(segments, [...segments.shape, 1]), x);
  },
);

const tensorScatterUpdate = defineKernel('TensorScatterUpdate', (graph, inputs) => {
  const [tensor, indices] = [input(inputs, 'tensor'), input(inputs, 'indices')];
  const values = [tensor, cast(graph, indices, 'int64'), input(inputs, 'updates')];
  return graph.operation('ScatterND', values, tensor.shape, tensor.type);
});

export const GATHERING_KERNELS: readonly Kernel[] = [
  defineKernel<GatherAttributes>('GatherV2', (graph, inputs, attributes) =>
    gather(graph, input(inputs, 'x'), input(inputs, 'indices'), attributes),
  ),
  gatherNd,
  scatterNd,
  unsortedSegmentSum,
  tensorScatterUpdate,
];
