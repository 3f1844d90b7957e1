import * as tf from '@tensorflow/tfjs';
import { expect, it } from 'vitest';
import { startBackend, withBackend } from './backend.js';

it.each(['cpu', 'wasm'])('on %s adds up the rows of each segment, and drops what belongs to none', async (backend) => {
  await startBackend(backend);
  withBackend(backend, () =>
    tf.tidy(() => {
      const rows = tf.tensor2d([[1, 2], [10, 20], [100, 200], [1000, 2000]]); // prettier-ignore
      const sums = tf.unsortedSegmentSum(rows, tf.tensor1d([2, 0, 2, -1], 'int32'), 4);
      expect(sums.arraySync()).toEqual([[10, 20], [0, 0], [101, 202], [0, 0]]); // prettier-ignore
      const gradient = tf.grad((table) => tf.mul(tf.gather(table, [[1, 1], [3, 1]]), 2).sum())(rows); // prettier-ignore
      expect(gradient.arraySync()).toEqual([[0, 0], [6, 6], [0, 0], [2, 2]]); // prettier-ignore
    }),
  );
});
