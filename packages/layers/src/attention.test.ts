import * as tf from '@tensorflow/tfjs';
import { createRandom, mapTree, type HostTensor } from '@drf/tensor';
import { toTensor } from '@drf/tensor/transfer';
import { beforeAll, describe, expect, it } from 'vitest';
import {
  applyAttention,
  initializeAttention,
  maskedSoftmax,
  paddingScores,
  type AttentionParameters,
} from './index.js';

beforeAll(() => tf.setBackend('cpu'));

describe('attention', () => {
  it('softmax leaves out what does not stand, and is uniform where nothing does', () => {
    const weights = tf.tidy(() => [...maskedSoftmax(tf.tensor2d([[1, 5, 1], [3, 2, 1]]), tf.tensor2d([[1, 0, 1], [0, 0, 0]])).dataSync()]); // prettier-ignore
    [0.5, 0, 0.5].forEach((value, i) => expect(weights[i]).toBeCloseTo(value, 6));
    weights.slice(3).forEach((weight) => expect(weight).toBeCloseTo(1 / 3, 4));
  });

  it('attention with several heads equals loops', () => {
    const [heads, dim] = [2, 4];
    const random = createRandom(1);
    const host = initializeAttention(random, dim);
    const draw = (rows: number): number[][] =>
      Array.from({ length: rows }, () => Array.from({ length: dim }, () => random.normal()));
    const [queries, tokens, mask] = [draw(2), draw(3), [1, 1, 0]];
    const linear = ({ kernel, bias }: { kernel: HostTensor; bias: HostTensor }, row: number[]): number[] =>
      Array.from({ length: dim }, (_, j) => row.reduce((sum, x, i) => sum + x * (kernel.data[i * dim + j] as number), bias.data[j] as number)); // prettier-ignore
    const expected = queries.flatMap((query) => {
      const q = linear(host.query, query);
      const mixed = Array.from({ length: heads }, (_, head) => {
        const part = (row: number[]): number[] => row.slice((head * dim) / heads, ((head + 1) * dim) / heads);
        const exponentials = tokens.map((token, t) => {
          const key = part(linear(host.key, token));
          return (mask[t] as number) * Math.exp(part(q).reduce((sum, x, i) => sum + x * (key[i] as number), 0) / Math.sqrt(dim / heads)); // prettier-ignore
        });
        const total = exponentials.reduce((sum, value) => sum + value, 0);
        const values = tokens.map((token) => part(linear(host.value, token)));
        return Array.from({ length: dim / heads }, (_, i) => values.reduce((sum, value, t) => sum + ((exponentials[t] as number) / total) * (value[i] as number), 0)); // prettier-ignore
      });
      return linear(host.output, mixed.flat());
    });
    const actual = tf.tidy(() => {
      const parameters = mapTree<HostTensor, tf.Tensor>(host, toTensor) as AttentionParameters;
      const options = { heads, padding: paddingScores(tf.tensor2d([mask])) };
      return [...applyAttention(parameters, tf.tensor3d([queries]), tf.tensor3d([tokens]), options).dataSync()];
    });
    expected.forEach((value, i) => expect(actual[i]).toBeCloseTo(value, 5));
  });
});
