import * as tf from '@tensorflow/tfjs';
import { describeKernels, type KernelCase } from './kernel.contract.js';

type Unary = (x: tf.Tensor) => tf.Tensor;
const many = { gradient: 'tfjs has none' };
const indices = { shape: [4], values: [2, 0, 2, 1], int32: true };

function each(names: Readonly<Record<string, readonly [readonly number[], Unary, string?]>>): KernelCase[] {
  return Object.entries(names).map(([name, [shape, run, gradient]]) => ({
    name,
    run,
    inputs: [shape],
    ...(gradient === undefined ? {} : { gradient }),
  }));
}

const layout = each({
  reshape: [[2, 6], (x) => tf.reshape(tf.reshape(x, [3, -1]), [2, 1, 6])],
  expandDims: [[2, 3], (x) => tf.expandDims(tf.expandDims(x, 0), -1)],
  squeeze: [[2, 1, 3, 1], (x) => tf.squeeze(x)],
  transpose: [[2, 3, 4], (x) => tf.transpose(x, [2, 0, 1])],
  'transpose of rank 5': [[2, 1, 2, 3, 2], (x) => tf.transpose(x, [4, 2, 0, 3, 1])],
  'two transposes': [[2, 3, 4], (x) => tf.transpose(tf.relu(tf.transpose(x, [2, 0, 1])), [1, 2, 0])],
  'transposes that add up': [[2, 3, 4], (x) => tf.transpose(tf.transpose(x, [2, 0, 1]), [2, 0, 1])],
  'sum of two transposes and a row': [
    [2, 3, 4],
    (x) =>
      tf.add(tf.add(tf.transpose(x, [0, 2, 1]), tf.transpose(tf.neg(tf.square(x)), [0, 2, 1])), tf.tensor1d([1, 2, 3])),
  ],
  tile: [[2, 3], (x) => tf.tile(x, [2, 2])],
  'tile of size 1': [[2, 1, 3], (x) => tf.mul(tf.tile(x, [1, 4, 1]), 2)],
  broadcastTo: [[3, 1], (x) => tf.broadcastTo(x, [2, 3, 4])],
  reverse: [[2, 3, 2], (x) => tf.reverse(x, [0, 2])],
  'reverse along one axis': [[2, 3], (x) => tf.reverse(x, 1)],
  depthToSpace: [[1, 2, 2, 8], (x) => tf.depthToSpace(x as tf.Tensor4D, 2), 'tfjs has none'],
  diag: [[3], (x) => tf.diag(x), 'tfjs has none'],
  'space to batch and back': [
    [1, 4, 4, 2],
    (x) => tf.batchToSpaceND(tf.mul(tf.spaceToBatchND(x, [2, 2], [[0, 0], [0, 0]]), 2), [2, 2], [[0, 0], [0, 0]]), // prettier-ignore
  ],
});

const slicing = each({
  slice: [[3, 4], (x) => tf.slice(x, [1, 1], [2, -1])],
  'slice of rank 5': [
    [2, 2, 3, 1, 2],
    (x) => tf.slice(x, [0, 1, 1, 0, 0], [2, 1, 2, 1, 1]),
    'tfjs pads rank 4 at most',
  ],
  stridedSlice: [[5, 6], (x) => tf.stridedSlice(x, [1, 5], [5, 0], [2, -2]), 'tfjs has none'],
  'stridedSlice to the start': [[5], (x) => tf.stridedSlice(x, [4], [0], [-1], 0, 1), 'tfjs has none'],
  'stridedSlice with a new axis': [
    [3, 4],
    (x) => tf.stridedSlice(x, [0, 1], [0, 3], [1, 1], 0, 0, 0, 1),
    'tfjs has none',
  ],
  'stridedSlice with a shrunk axis': [
    [3, 4],
    (x) => tf.stridedSlice(x, [1, 1], [2, 4], [1, 1], 0, 0, 0, 0, 1),
    'tfjs has none',
  ],
  'unstack and stack': [[3, 4], (x) => tf.stack(tf.unstack(x, 1).reverse(), 0)],
  split: [[4, 6], (x) => tf.concat(tf.split(x, [1, 2, 3], 1).reverse(), 1)],
  'split in equal parts': [[4, 6], (x) => tf.addN(tf.split(x, 3, -1))],
  pad: [[2, 3], (x) => tf.pad(x, [[1, 0], [2, 1]], 0.5)], // prettier-ignore
  'pad of a transposed tensor': [[2, 3], (x) => tf.transpose(tf.pad(tf.transpose(x), [[1, 0], [0, 2]]))], // prettier-ignore
  reflect: [[3, 4], (x) => tf.mirrorPad(x, [[2, 1], [1, 3]], 'reflect'), 'tfjs has none'], // prettier-ignore
  symmetric: [[3, 4], (x) => tf.mirrorPad(x, [[2, 1], [1, 3]], 'symmetric'), 'tfjs has none'], // prettier-ignore
});

const gathering: KernelCase[] = [
  { name: 'gather rows', run: (x: tf.Tensor, i: tf.Tensor1D) => tf.gather(x, i), inputs: [[3, 4], indices] },
  { name: 'gather columns', run: (x: tf.Tensor, i: tf.Tensor1D) => tf.gather(x, i, 1), inputs: [[2, 3, 2], indices] },
  {
    name: 'gather by a matrix of indices',
    run: (x: tf.Tensor, i: tf.Tensor) => tf.gather(x, tf.reshape(i, [2, 2]).toInt()),
    inputs: [[3, 4], indices],
  },
  {
    name: 'gather in batches',
    run: (x: tf.Tensor, i: tf.Tensor) => [
      tf.gather(x, tf.reshape(i, [2, 2]), 1, 1),
      tf.gather(x, tf.reshape(i, [2, 2]), 2, 1),
    ],
    inputs: [[2, 3, 3], indices],
  },
  {
    name: 'gather of int32',
    run: (x: tf.Tensor, i: tf.Tensor1D) => tf.gather(x, i),
    inputs: [{ shape: [3, 2], low: 0, high: 9, int32: true }, indices],
    gradient: 'int32',
  },
  {
    name: 'gatherND',
    run: (x: tf.Tensor, i: tf.Tensor) => tf.gatherND(x, tf.reshape(i, [2, 2])),
    inputs: [[3, 3, 2], indices],
    ...many,
  },
  {
    name: 'scatterND over two axes, a place twice',
    run: (x: tf.Tensor, i: tf.Tensor) => tf.scatterND(tf.reshape(i, [3, 2]), x, [2, 3, 2]),
    inputs: [[3, 2], { shape: [6], values: [0, 2, 1, 1, 0, 2], int32: true }],
    ...many,
  },
  {
    name: 'scatterND',
    run: (x: tf.Tensor, i: tf.Tensor) => tf.scatterND(tf.reshape(i, [4, 1]), x, [3, 2]),
    inputs: [[4, 2], indices],
    ...many,
  },
  {
    name: 'tensorScatterUpdate',
    run: (x: tf.Tensor, y: tf.Tensor, i: tf.Tensor) => tf.tensorScatterUpdate(x, tf.reshape(i, [2, 1]), y),
    inputs: [[3, 2], [2, 2], { shape: [2], values: [2, 0], int32: true }],
    ...many,
  },
  {
    name: 'unsortedSegmentSum',
    run: (x: tf.Tensor, i: tf.Tensor1D) => tf.unsortedSegmentSum(x, i, 4),
    inputs: [[4, 3], indices],
  },
];

const marks = { shape: [3, 4], low: 0, high: 2, int32: true };

const selection: KernelCase[] = [
  {
    name: 'where',
    run: (x: tf.Tensor, y: tf.Tensor, m: tf.Tensor) => tf.where(m.toBool(), x, tf.mul(y, 2)),
    inputs: [[3, 4], [3, 4], marks], // prettier-ignore
  },
  {
    name: 'where with a constant',
    run: (x: tf.Tensor, m: tf.Tensor) => tf.where(m.toBool(), x, tf.zeros([3, 4])),
    inputs: [[3, 4], marks],
  },
  {
    name: 'oneHot',
    run: (i: tf.Tensor) => [tf.oneHot(i, 3), tf.oneHot(i, 4, 2, -1, 'float32')],
    inputs: [{ shape: [2, 2], values: [0, 2, 1, 5], int32: true }],
    gradient: 'int32',
  },
  {
    name: 'concat',
    run: (x: tf.Tensor, y: tf.Tensor) => tf.concat([x, y, x], 1),
    inputs: [
      [2, 3],
      [2, 1],
    ],
  },
  {
    name: 'concat of transposed tensors',
    run: (x: tf.Tensor, y: tf.Tensor) => tf.transpose(tf.concat([tf.transpose(x), tf.transpose(y)], 0)),
    inputs: [
      [2, 3],
      [2, 1],
    ],
  },
  {
    name: 'stack',
    run: (x: tf.Tensor, y: tf.Tensor) => tf.stack([x, y], -1),
    inputs: [
      [2, 3],
      [2, 3],
    ],
  },
  {
    name: 'constants only',
    run: (x: tf.Tensor) => tf.add(x, tf.sum(tf.matMul(tf.eye(3), tf.range(0, 9).reshape([3, 3])), 0)),
    inputs: [[2, 3]],
  },
];

describeKernels('layout', layout);
describeKernels('slicing', slicing);
describeKernels('gathering', gathering);
describeKernels('selection', selection);
