import * as tf from '@tensorflow/tfjs';
import { beforeAll, describe, expect, it } from 'vitest';
import { applyNorm } from './index.js';

beforeAll(() => tf.setBackend('cpu'));

describe('applyNorm', () => {
  it.each([false, true])('gives mean 0 and deviation 1 before its scale, reciprocal %s', (reciprocal) => {
    const parameters = { scale: tf.tensor1d([2, 2]), bias: tf.tensor1d([1, 1]) };
    const options = { epsilon: 1e-5, reciprocal };
    const rows = tf.tidy(() => [...applyNorm(parameters, tf.tensor2d([[3, 7]]), options).dataSync()]);
    expect(rows[0]).toBeCloseTo(-1, 3);
    expect(rows[1]).toBeCloseTo(3, 3);
    tf.dispose(parameters);
  });
});
