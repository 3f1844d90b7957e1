import * as tf from '@tensorflow/tfjs';
import { describeKernels, type KernelCase } from './kernel.contract.js';

type Reduce = (x: tf.Tensor, axis?: number | number[], keep?: boolean) => tf.Tensor;
const reductions: Readonly<Record<string, Reduce>> = {
  sum: tf.sum,
  mean: tf.mean,
  max: tf.max,
  min: tf.min,
  prod: tf.prod,
  logSumExp: tf.logSumExp,
};
const places: readonly (readonly [readonly number[], number | number[] | undefined])[] = [
  [[5], undefined],
  [[3, 4], 0],
  [[3, 4], -1],
  [
    [2, 3, 4],
    [0, 2],
  ],
  [
    [2, 3, 2, 2],
    [1, 2],
  ],
  [
    [2, 1, 2, 2, 3],
    [1, 4],
  ],
];
const whole = { shape: [3, 4], low: -5, high: 5, int32: true };

const cases: KernelCase[] = [
  ...Object.entries(reductions).flatMap(([name, reduce]) =>
    places.map(([shape, axis]) => ({
      name: `${name} [${shape}] along ${axis}`,
      run: (x: tf.Tensor) => [reduce(x, axis), reduce(x, axis, true)],
      inputs: [shape],
      ...(name === 'prod' && axis === -1 ? { gradient: 'tfjs cannot count that axis from the end' } : {}),
    })),
  ),
  ...['sum', 'max', 'min', 'prod', 'mean'].map((name) => ({
    name: `${name} of int32`,
    run: (x: tf.Tensor) => (reductions[name] as Reduce)(x, 1),
    inputs: [whole],
    gradient: 'int32',
  })),
  { name: 'sum of bool', run: (x: tf.Tensor) => tf.sum(tf.greater(x, 0), 0), inputs: [[3, 4]], gradient: 'bool' },
  {
    name: 'all and any',
    run: (x: tf.Tensor) => [
      tf.all(x.toBool(), 1),
      tf.any(x.toBool(), 1),
      tf.all(x.toBool()),
      tf.any(x.toBool(), 0, true),
    ],
    inputs: [{ shape: [3, 2], values: [0, 0, 0, 1, 1, 1] }],
    gradient: 'bool',
  },
  {
    name: 'argMax and argMin',
    run: (x: tf.Tensor) => [tf.argMax(x, 0), tf.argMax(x, -1), tf.argMin(x, 1)],
    inputs: [[3, 4, 2]],
    gradient: 'a place has none',
  },
  {
    name: 'sum of a repeated tensor',
    run: (x: tf.Tensor) => tf.sum(tf.mul(x, tf.ones([4, 3, 5])), [0, 2]),
    inputs: [[3, 1]],
  },
  { name: 'mean of a repeated scalar', run: (x: tf.Tensor) => tf.mean(tf.mul(x, tf.ones([4, 3])), 1), inputs: [[]] },
  {
    name: 'max of a transposed tensor',
    run: (x: tf.Tensor) => tf.max(tf.transpose(x, [2, 0, 1]), [0]),
    inputs: [[2, 3, 4]],
  },
  { name: 'norm', run: (x: tf.Tensor) => [tf.norm(x), tf.norm(x, 2, 1), tf.norm(x, 1, 0)], inputs: [[3, 4]] },
  { name: 'moments', run: (x: tf.Tensor) => Object.values(tf.moments(x, [0, 1])), inputs: [[3, 4, 2]] },
  ...[0, 1, 2].flatMap((axis) =>
    [false, true].map((flag) => ({
      name: `cumsum along ${axis}, exclusive ${flag}, reverse ${!flag}`,
      run: (x: tf.Tensor) => [tf.cumsum(x, axis, flag, !flag), tf.cumsum(x, axis, flag, flag)],
      ...(axis < 2 ? { gradient: 'tfjs transposes it wrongly' } : {}),
      inputs: [[3, 4, 2]],
    })),
  ),
  { name: 'topk', run: (x: tf.Tensor) => Object.values(tf.topk(x, 2)), inputs: [[3, 5]], gradient: 'tfjs has none' },
  ...[[4], [3, 4], [2, 3, 4]].flatMap((shape) => [
    { name: `softmax [${shape}]`, run: (x: tf.Tensor) => tf.softmax(x), inputs: [shape] },
    { name: `logSoftmax [${shape}]`, run: (x: tf.Tensor) => tf.logSoftmax(x), inputs: [shape] },
  ]),
  {
    name: 'softmax cross-entropy',
    run: (logits: tf.Tensor) =>
      tf.neg(tf.sum(tf.mul(tf.oneHot(tf.tensor1d([0, 2, 1], 'int32'), 3), tf.logSoftmax(logits)))),
    inputs: [[3, 3]],
  },
  ...[0, 1].flatMap((axis) =>
    [false, true].map((flag) => ({
      name: `cumprod along ${axis}, exclusive ${flag}`,
      run: (x: tf.Tensor) => [tf.cumprod(x, axis, flag, !flag), tf.cumprod(x, axis, flag, flag)],
      inputs: [[3, 4]],
      gradient: 'tfjs has none',
    })),
  ),
];

describeKernels('reductions', cases);
