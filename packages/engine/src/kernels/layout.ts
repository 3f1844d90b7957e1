import { util } from '@tensorflow/tfjs';
import { sizeOf } from '@drf/tensor';
import type { Graph } from '../graph/graph.js';
import type { Value } from '../graph/value.js';
import { defineKernel, input, type Kernel } from './kernel.js';

/** Repeats a value so many times along each axis; along axes of size 1 that is a broadcast, which costs nothing. */
function tile(graph: Graph, x: Value, repeats: readonly number[]): Value {
  const shape = x.shape.map((size, axis) => size * (repeats[axis] as number));
  if (repeats.every((count, axis) => count === 1 || x.shape[axis] === 1)) return graph.broadcast(x, shape);
  return graph.operation('Tile', [x, graph.integers(repeats)], shape, x.type);
}

interface DepthToSpaceAttributes {
  readonly blockSize: number;
  readonly dataFormat: string;
}

/** Moves blocks of channels into space: reshape, transpose, reshape. */
function depthToSpace(graph: Graph, x: Value, { blockSize, dataFormat }: DepthToSpaceAttributes): Value {
  const last = dataFormat === 'NHWC';
  const [batch, ...rest] = x.shape as [number, number, number, number];
  const [height, width, channels] = last ? rest : [rest[1], rest[2], rest[0]];
  const depth = channels / (blockSize * blockSize);
  const [tall, wide] = [height * blockSize, width * blockSize];
  if (last) {
    const split = graph.reshape(x, [batch, height, width, blockSize, blockSize, depth]);
    return graph.reshape(graph.transpose(split, [0, 1, 3, 2, 4, 5]), [batch, tall, wide, depth]);
  }
  const split = graph.reshape(x, [batch, blockSize, blockSize, depth, height, width]);
  return graph.reshape(graph.transpose(split, [0, 3, 4, 1, 5, 2]), [batch, depth, tall, wide]);
}

/** Every step of a square's diagonal is one row and one column: width + 1 places on. */
function diag(graph: Graph, x: Value): Value {
  const size = sizeOf(x.shape);
  const places = Int32Array.from({ length: size * size }, (_, i) => Number(i % (size + 1) === 0));
  const mask = graph.constant(places, [size, size], 'int32');
  const rows = graph.broadcast(graph.reshape(x, [1, size]), [size, size]);
  const marked = graph.operation('Cast', [mask], [size, size], 'bool', { to: 9 });
  const zeros = graph.broadcast(graph.scalar(0, x.type), [size, size]);
  const square = graph.operation('Where', [marked, rows, zeros], [size, size], x.type);
  return graph.reshape(square, [...x.shape, ...x.shape]);
}

export const LAYOUT_KERNELS: readonly Kernel[] = [
  defineKernel('Identity', (_, inputs) => input(inputs, 'x'), 'never'),
  defineKernel<{ readonly shape: number[] }>(
    'Reshape',
    (graph, inputs, { shape }) => {
      const x = input(inputs, 'x');
      return graph.reshape(x, util.inferFromImplicitShape([...shape], sizeOf(x.shape)));
    },
    'never',
  ),
  defineKernel<{ readonly dim: number }>(
    'ExpandDims',
    (graph, inputs, { dim }) => {
      const x = input(inputs, 'input');
      const at = dim < 0 ? dim + x.shape.length + 1 : dim;
      return graph.reshape(x, [...x.shape.slice(0, at), 1, ...x.shape.slice(at)]);
    },
    'never',
  ),
  defineKernel<{ readonly perm: number[] }>(
    'Transpose',
    (graph, inputs, { perm }) => graph.transpose(input(inputs, 'x'), perm),
    'never',
  ),
  defineKernel<{ readonly reps: number[] }>(
    'Tile',
    (graph, inputs, { reps }) => tile(graph, input(inputs, 'x'), reps),
    'never',
  ),
  defineKernel<DepthToSpaceAttributes>('DepthToSpace', (graph, inputs, attributes) =>
    depthToSpace(graph, input(inputs, 'x'), attributes),
  ),
  defineKernel('Diag', (graph, inputs) => diag(graph, input(inputs, 'x'))),
];
