import * as tf from '@tensorflow/tfjs';
import { describeKernels, type KernelCase } from './kernel.contract.js';

type Product = (a: tf.Tensor, b: tf.Tensor) => tf.Tensor;
const flags = [false, true];

function products(batchA: readonly number[], batchB: readonly number[]): KernelCase[] {
  return flags.flatMap((transposeA) =>
    flags.map((transposeB) => ({
      name: `matMul [${batchA}|${batchB}] ${transposeA ? 'Aᵀ' : 'A'} ${transposeB ? 'Bᵀ' : 'B'}`,
      run: ((a, b) => tf.matMul(a, b, transposeA, transposeB)) as Product,
      inputs: [
        [...batchA, ...(transposeA ? [4, 3] : [3, 4])],
        [...batchB, ...(transposeB ? [5, 4] : [4, 5])],
      ],
    })),
  );
}

const activations = ['linear', 'relu', 'relu6', 'elu', 'sigmoid'] as const;

const cases: KernelCase[] = [
  ...products([], []),
  ...products([1], [1]),
  ...products([2], [2]),
  ...products([2, 3], [2, 3]),
  {
    name: 'matMul with a batch on the left only',
    run: tf.matMul as Product,
    inputs: [
      [2, 3, 4],
      [1, 4, 5],
    ],
    gradient: 'tfjs does not reduce it to the shape of b',
  },
  {
    name: 'matMul of int32',
    run: tf.matMul as Product,
    inputs: [
      { shape: [2, 3], low: -5, high: 5, int32: true },
      { shape: [3, 2], low: -5, high: 5, int32: true },
    ],
    gradient: 'int32',
  },
  {
    name: 'matMul of a transposed tensor',
    run: ((a, b) => tf.matMul(tf.transpose(a), tf.transpose(b))) as Product,
    inputs: [
      [4, 3],
      [5, 4],
    ],
  },
  { name: 'dot', run: tf.dot as Product, inputs: [[4], [4]] },
  { name: 'outerProduct', run: tf.outerProduct as Product, inputs: [[4], [3]] },
  {
    name: 'linear layer',
    run: (x: tf.Tensor, w: tf.Tensor, b: tf.Tensor) => tf.relu(tf.add(tf.matMul(x, w), b)),
    inputs: [[3, 4], [4, 2], [2]],
  },
  ...activations.map((activation) => ({
    name: `fused matMul with ${activation}`,
    run: (a: tf.Tensor2D, b: tf.Tensor2D, bias: tf.Tensor) =>
      tf.fused.matMul({ a, b, bias, activation, transposeB: true }),
    inputs: [[3, 4], [5, 4], [5]],
    ...(activation === 'elu' || activation === 'sigmoid' ? { gradient: 'tfjs has none for this activation' } : {}),
  })),
  {
    name: 'fused matMul with a batch and leakyrelu',
    run: (a: tf.Tensor3D, b: tf.Tensor3D, bias: tf.Tensor) =>
      tf.fused.matMul({ a, b, bias, activation: 'leakyrelu', leakyreluAlpha: 0.1 }),
    inputs: [[2, 3, 4], [2, 4, 5], [5]],
    gradient: 'tfjs has none for this activation',
  },
  {
    name: 'einsum matrix product',
    run: ((a, b) => tf.einsum('ij,jk->ik', a, b)) as Product,
    inputs: [
      [2, 3],
      [3, 4],
    ],
    gradient: 'tfjs has none',
  },
  {
    name: 'einsum attention',
    run: ((a, b) => tf.einsum('bqd,bkd->bqk', a, b)) as Product,
    inputs: [
      [2, 3, 4],
      [2, 5, 4],
    ],
    gradient: 'tfjs has none',
  },
  {
    name: 'attention',
    run: (q: tf.Tensor3D, k: tf.Tensor3D, v: tf.Tensor3D) => {
      const split = (x: tf.Tensor): tf.Tensor => tf.transpose(tf.reshape(x, [2, 3, 2, 4]), [0, 2, 1, 3]);
      const weights = tf.softmax(tf.mul(tf.matMul(split(q), split(k), false, true), 0.5));
      return tf.reshape(tf.transpose(tf.matMul(weights, split(v)), [0, 2, 1, 3]), [2, 3, 8]);
    },
    inputs: [
      [2, 3, 8],
      [2, 3, 8],
      [2, 3, 8],
    ],
  },
];

describeKernels('matrix products', cases);
