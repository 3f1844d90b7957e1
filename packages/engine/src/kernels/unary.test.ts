import * as tf from '@tensorflow/tfjs';
import { describeKernels, type KernelCase } from './kernel.contract.js';

type Unary = (x: tf.Tensor) => tf.Tensor;

const differentiable: Readonly<Record<string, Unary>> = {
  abs: tf.abs,
  asinh: tf.asinh,
  atan: tf.atan,
  ceil: tf.ceil,
  clip: (x) => tf.clipByValue(x, -0.5, 0.75),
  cos: tf.cos,
  cosh: tf.cosh,
  elu: tf.elu,
  erf: tf.erf,
  exp: tf.exp,
  expm1: tf.expm1,
  floor: tf.floor,
  leakyRelu: (x) => tf.leakyRelu(x, 0.3),
  neg: tf.neg,
  relu: tf.relu,
  relu6: (x) => tf.relu6(tf.mul(x, 5)),
  round: tf.round,
  selu: tf.selu,
  sigmoid: tf.sigmoid,
  sign: tf.sign,
  sin: tf.sin,
  sinh: tf.sinh,
  softplus: tf.softplus,
  logSigmoid: tf.logSigmoid,
  square: tf.square,
  step: (x) => tf.step(x, 0.5),
  tanh: tf.tanh,
  gelu: (x) => tf.mul(tf.mul(x, 0.5), tf.add(tf.erf(tf.div(x, Math.SQRT2)), 1)),
};
const ranged: Readonly<Record<string, readonly [Unary, number, number]>> = {
  acos: [tf.acos, -0.9, 0.9],
  acosh: [tf.acosh, 1.1, 3],
  asin: [tf.asin, -0.9, 0.9],
  atanh: [tf.atanh, -0.9, 0.9],
  log: [tf.log, 0.1, 4],
  log1p: [tf.log1p, -0.5, 4],
  'log1p near 0': [tf.log1p, -1e-4, 1e-4],
  'expm1 near 0': [tf.expm1, -1e-4, 1e-4],
  reciprocal: [tf.reciprocal, 0.5, 2],
  rsqrt: [tf.rsqrt, 0.1, 4],
  sqrt: [tf.sqrt, 0.1, 4],
  tan: [tf.tan, -1.2, 1.2],
};
const special = { shape: [5], values: [NaN, Infinity, -Infinity, 0, -1.5] };

const cases: KernelCase[] = [
  ...Object.entries(differentiable).map(([name, run]) => ({ name, run, inputs: [[3, 4]] })),
  ...Object.entries(ranged).map(([name, [run, low, high]]) => ({ name, run, inputs: [{ shape: [7], low, high }] })),
  ...[[], [3], [2, 3], [2, 1, 3], [2, 2, 1, 3], [2, 1, 2, 2, 2]].map((shape) => ({
    name: `tanh of rank ${shape.length}`,
    run: tf.tanh,
    inputs: [shape],
  })),
  { name: 'prelu', run: tf.prelu, inputs: [[2, 3, 4], [4]] },
  { name: 'round half to even', run: tf.round, inputs: [{ shape: [4], values: [0.5, 1.5, 2.5, -0.5] }] },
  { name: 'isNaN', run: tf.isNaN, inputs: [special], gradient: 'a test has none' },
  { name: 'isInf', run: tf.isInf, inputs: [special], gradient: 'a test has none' },
  { name: 'isFinite', run: tf.isFinite, inputs: [special], gradient: 'a test has none' },
  { name: 'abs of int32', run: tf.abs, inputs: [{ shape: [6], low: -9, high: 9, int32: true }], gradient: 'int32' },
  { name: 'neg of int32', run: tf.neg, inputs: [{ shape: [6], low: -9, high: 9, int32: true }], gradient: 'int32' },
  {
    name: 'casts',
    run: (x: tf.Tensor) => [
      x.toInt(),
      x.toBool(),
      tf.mul(x.toBool().toFloat(), 2),
      tf.logicalNot(x.toBool()),
      tf.mul(x.toInt().toFloat(), 2),
    ],
    inputs: [{ shape: [5], values: [-1.7, 0, 0.4, 1, 2.9] }],
    gradient: 'a cast to int32 has none',
  },
];

describeKernels('unary', cases);
