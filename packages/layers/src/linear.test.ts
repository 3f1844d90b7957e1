import * as tf from '@tensorflow/tfjs';
import { beforeAll, describe, expect, it } from 'vitest';
import { createRandom, mapTree } from '@drf/tensor';
import { toTensor } from '@drf/tensor/transfer';
import { applyLinear, initializeLinear, type LinearParameters } from './index.js';

beforeAll(async () => void (await tf.setBackend('cpu')));

describe('initializeLinear', () => {
  it('has the shapes of kernel [in, out] and bias [out]', () => {
    const { kernel, bias } = initializeLinear(createRandom(1), 3, 5);
    expect([kernel.shape, bias.shape]).toEqual([[3, 5], [5]]);
  });

  it('fills ±1/√in evenly', () => {
    const { kernel, bias } = initializeLinear(createRandom(1), 100, 50);
    const values = [...kernel.data, ...bias.data];
    expect(Math.max(...values.map(Math.abs))).toBeLessThanOrEqual(0.1);
    const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
    const variance = values.reduce((sum, value) => sum + value * value, 0) / values.length;
    expect(Math.abs(mean)).toBeLessThan(0.004);
    expect(variance / (0.2 ** 2 / 12)).toBeCloseTo(1, 1);
    for (const bound of [-0.05, 0, 0.05]) {
      const below = values.filter((value) => value < bound).length / values.length;
      expect(below).toBeCloseTo((bound + 0.1) / 0.2, 1);
    }
  });

  it('repeats with the seed, differs between seeds and names, whatever was drawn before', () => {
    const used = createRandom(1);
    used.uniform();
    const first = initializeLinear(createRandom(1).fork('a'), 4, 4);
    expect(initializeLinear(used.fork('a'), 4, 4)).toEqual(first);
    expect(initializeLinear(createRandom(2).fork('a'), 4, 4)).not.toEqual(first);
    expect(initializeLinear(createRandom(1).fork('b'), 4, 4)).not.toEqual(first);
    expect(first.kernel.data.slice(0, 4)).not.toEqual(first.bias.data);
  });
});

describe('applyLinear', () => {
  it('by hand: x·W + b with W as [in, out]', () => {
    tf.tidy(() => {
      const parameters = { kernel: tf.tensor2d([[1, 2, 3], [4, 5, 6]]), bias: tf.tensor1d([10, 20, 30]) }; // prettier-ignore
      const result = applyLinear(parameters as unknown as LinearParameters, tf.tensor2d([[1, 1], [2, -1]])); // prettier-ignore
      expect(result.arraySync()).toEqual([[15, 27, 39], [8, 19, 30]]); // prettier-ignore
    });
  });

  it('agrees with loops in double precision', () => {
    const host = initializeLinear(createRandom(3), 6, 4);
    const rows = Array.from({ length: 5 }, (_, r) => Array.from({ length: 6 }, (_, c) => Math.fround(r - c * 0.3)));
    const result = tf.tidy(
      () => applyLinear(mapTree(host, toTensor) as LinearParameters, tf.tensor2d(rows)).arraySync() as number[][],
    );
    rows.forEach((row, r) => {
      for (let out = 0; out < 4; out++) {
        let expected = host.bias.data[out] as number;
        row.forEach((value, i) => (expected += value * (host.kernel.data[i * 4 + out] as number)));
        expect(result[r]?.[out]).toBeCloseTo(expected, 5);
      }
    });
  });
});
