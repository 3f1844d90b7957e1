import * as tf from '@tensorflow/tfjs';
import { beforeAll, describe, expect, it } from 'vitest';
import { clipGlobalNorm, globalNorm } from './clip.js';

beforeAll(() => tf.setBackend('cpu'));

/** 3² + 4² + 12² = 13² */
const gradients = (): Map<string, tf.Tensor> =>
  new Map<string, tf.Tensor>([
    ['matrix', tf.tensor2d([[3], [4]])],
    ['bias', tf.tensor1d([12])],
  ]);

describe('clipGlobalNorm', () => {
  it('scales all gradients by one factor, as computed by hand', () => {
    tf.tidy(() => {
      const { gradients: clipped, norm } = clipGlobalNorm(gradients(), 6.5);
      expect(norm.arraySync()).toBeCloseTo(13, 5);
      const [matrix, bias] = ['matrix', 'bias'].map((name) => [...(clipped.get(name) as tf.Tensor).dataSync()]);
      [1.5, 2].forEach((due, i) => expect(matrix?.[i]).toBeCloseTo(due, 5));
      expect(bias?.[0]).toBeCloseTo(6, 5);
    });
  });

  it('leaves gradients below the limit as they are, and those of norm 0', () => {
    tf.tidy(() => {
      const below = clipGlobalNorm(gradients(), 14).gradients;
      expect([...(below.get('matrix') as tf.Tensor).dataSync()]).toEqual([3, 4]);
      const zero = clipGlobalNorm(new Map([['bias', tf.zeros([2])]]), 1);
      expect([...(zero.gradients.get('bias') as tf.Tensor).dataSync()]).toEqual([0, 0]);
      expect(zero.norm.arraySync()).toBe(0);
    });
  });

  it('never lets the norm exceed the limit', () => {
    tf.tidy(() => {
      for (const limit of [1e-3, 1, 12.9]) {
        const norm = globalNorm(clipGlobalNorm(gradients(), limit).gradients).arraySync() as number;
        expect(norm).toBeLessThanOrEqual(limit * (1 + 1e-6));
        expect(norm).toBeCloseTo(limit, 4);
      }
    });
  });
});
