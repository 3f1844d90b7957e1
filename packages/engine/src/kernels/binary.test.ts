import * as tf from '@tensorflow/tfjs';
import { describeKernels, type KernelCase } from './kernel.contract.js';

type Binary = (a: tf.Tensor, b: tf.Tensor) => tf.Tensor;

const arithmetic: Readonly<Record<string, Binary>> = {
  add: tf.add,
  sub: tf.sub,
  mul: tf.mul,
  div: tf.div,
  divNoNan: tf.divNoNan,
  maximum: tf.maximum,
  minimum: tf.minimum,
  squaredDifference: tf.squaredDifference,
  atan2: tf.atan2,
};
const tests: Readonly<Record<string, Binary>> = {
  equal: tf.equal,
  notEqual: tf.notEqual,
  greater: tf.greater,
  greaterEqual: tf.greaterEqual,
  less: tf.less,
  lessEqual: tf.lessEqual,
};
const shapes: readonly (readonly [readonly number[], readonly number[]])[] = [
  [[], [3]],
  [[3], [3]],
  [[2, 3], [3]],
  [
    [2, 1],
    [1, 3],
  ],
  [[2, 3], []],
  [
    [4, 1, 3],
    [2, 1],
  ],
  [
    [2, 1, 2, 3],
    [2, 1, 3],
  ],
  [
    [1, 2, 1, 2, 3],
    [2, 2, 1, 2, 1],
  ],
];
/** tfjs has no gradient for these, or one that forgets to sum over broadcast axes. */
function withoutGradient(name: string, a: readonly number[], b: readonly number[]): { gradient?: string } {
  if (name === 'divNoNan') return { gradient: 'tfjs has none' };
  const forgetful = ['maximum', 'minimum', 'squaredDifference'].includes(name) && a.join() !== b.join();
  return forgetful ? { gradient: 'tfjs does not sum it over broadcast axes' } : {};
}
const whole = { low: -9, high: 9, int32: true };
const divisor = { shape: [8], values: [3, -3, 2, -2, 5, -5, 1, 7], int32: true };

const cases: KernelCase[] = [
  ...Object.entries(arithmetic).flatMap(([name, run]) =>
    shapes
      .slice(0, 5)
      .map(([a, b]) => ({ name: `${name} [${a}] [${b}]`, run, inputs: [a, b], ...withoutGradient(name, a, b) })),
  ),
  ...shapes.map(([a, b]) => ({
    name: `a·b + a/b [${a}] [${b}]`,
    run: ((x, y) => tf.add(tf.mul(x, y), tf.div(x, y))) as Binary,
    inputs: [a, b],
  })),
  ...Object.entries(tests).map(([name, run]) => ({
    name,
    run,
    inputs: [
      { shape: [2, 6], low: 0, high: 3, int32: true },
      { shape: [6], low: 0, high: 3, int32: true },
    ],
    gradient: 'a test has none',
  })),
  ...['add', 'sub', 'mul', 'maximum', 'minimum'].map((name) => ({
    name: `${name} of int32`,
    run: arithmetic[name] as Binary,
    inputs: [
      { shape: [3, 4], ...whole },
      { shape: [4], ...whole },
    ],
    gradient: 'int32',
  })),
  { name: 'floorDiv', run: tf.floorDiv as Binary, inputs: [[2, 5], [5]], gradient: 'the result is int32' },
  {
    name: 'floorDiv of int32',
    run: tf.floorDiv as Binary,
    inputs: [{ shape: [8], ...whole }, divisor],
    gradient: 'int32',
  },
  { name: 'div of int32', run: tf.div as Binary, inputs: [{ shape: [8], ...whole }, divisor], gradient: 'int32' },
  { name: 'mod', run: tf.mod as Binary, inputs: [[2, 5], { shape: [5], values: [1.5, -1.5, 0.7, -0.7, 2] }] },
  { name: 'mod of int32', run: tf.mod as Binary, inputs: [{ shape: [8], ...whole }, divisor], gradient: 'int32' },
  { name: 'pow', run: tf.pow as Binary, inputs: [{ shape: [2, 3], low: 0.2, high: 2 }, [3]] },
  ...[0.5, 1, 2, 3].map((exponent) => ({
    name: `pow ${exponent}`,
    run: (x: tf.Tensor) => tf.pow(x, exponent),
    inputs: [{ shape: [2, 3], low: 0.2, high: 2 }],
  })),
  {
    name: 'atan2 on the axes',
    run: tf.atan2 as Binary,
    inputs: [
      { shape: [6], values: [1, -1, 0, 0, 1, -1] },
      { shape: [6], values: [0, 0, 1, -1, -1, -1] },
    ],
    gradient: 'not on the axes',
  },
  {
    name: 'logic',
    run: (a: tf.Tensor, b: tf.Tensor) => [
      tf.logicalAnd(a.toBool(), b.toBool()),
      tf.logicalOr(a.toBool(), b.toBool()),
      tf.logicalXor(a.toBool(), b.toBool()),
      tf.logicalNot(a.toBool()),
    ],
    inputs: [
      { shape: [4], values: [0, 0, 1, 1] },
      { shape: [4], values: [0, 1, 0, 1] },
    ],
    gradient: 'logic has none',
  },
  {
    name: 'addN',
    run: (a: tf.Tensor, b: tf.Tensor, c: tf.Tensor) => tf.addN([a, b, c]),
    inputs: [
      [2, 3],
      [2, 3],
      [2, 3],
    ],
  },
  {
    name: 'neutral constants',
    run: (x: tf.Tensor) =>
      tf.sub(tf.div(tf.mul(tf.add(x, tf.zeros([2, 3])), tf.ones([1, 3])), tf.scalar(1)), tf.zerosLike(x)),
    inputs: [[2, 1]],
  },
];

describeKernels('binary', cases);
