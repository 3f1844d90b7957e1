import * as tf from '@tensorflow/tfjs';
import { beforeAll, describe, expect, it } from 'vitest';
import { createRandom, flattenTree, mapTree, ShapeMismatchError, type HostTensor } from '@drf/tensor';
import { toTensor } from '@drf/tensor/transfer';
import { applyConverter, initializeConverter, type ConverterParameters } from './index.js';

beforeAll(async () => void (await tf.setBackend('cpu')));

const tensorsOf = (host: ReturnType<typeof initializeConverter>): ConverterParameters =>
  mapTree(host, toTensor) as ConverterParameters;

describe('initializeConverter', () => {
  it('has two layers of the asked width', () => {
    const shapes = (host: ReturnType<typeof initializeConverter>): unknown =>
      Object.fromEntries([...flattenTree<HostTensor>(host)].map(([name, { shape }]) => [name, shape]));
    expect(shapes(initializeConverter(createRandom(1), 4, 6))).toEqual({
      'hidden.bias': [6],
      'hidden.kernel': [4, 6],
      'output.bias': [4],
      'output.kernel': [6, 4],
    });
    expect(shapes(initializeConverter(createRandom(1), 4))).toMatchObject({ 'hidden.kernel': [4, 4] });
  });

  it('repeats with the seed and gives the layers different numbers', () => {
    const host = initializeConverter(createRandom(1), 4);
    expect(initializeConverter(createRandom(1), 4)).toEqual(host);
    const flat = flattenTree<HostTensor>(host);
    expect(flat.get('hidden.kernel')).not.toEqual(flat.get('output.kernel'));
  });
});

describe('applyConverter', () => {
  it('by hand: linear, relu, linear', () => {
    tf.tidy(() => {
      const parameters = {
        hidden: { kernel: tf.tensor2d([[1, -1], [0, 2]]), bias: tf.tensor1d([0, 1]) }, // prettier-ignore
        output: { kernel: tf.tensor2d([[1, 10], [100, 1000]]), bias: tf.tensor1d([0.5, 0]) }, // prettier-ignore
      } as unknown as ConverterParameters;
      // [2, 1] → [2, 1] → [102.5, 1020]; [-3, 0] → [-3, 4] → relu [0, 4] → [400.5, 4000]
      const result = applyConverter(parameters, tf.tensor2d([[2, 1], [-3, 0]])); // prettier-ignore
      expect(result.arraySync()).toEqual([[102.5, 1020], [400.5, 4000]]); // prettier-ignore
    });
  });

  it('agrees with loops in double precision', () => {
    const [dim, hidden] = [3, 5];
    const host = initializeConverter(createRandom(2), dim, hidden);
    const flat = flattenTree<HostTensor>(host);
    const number = (name: string, i: number): number => flat.get(name)?.data[i] as number;
    const layer = (name: string, row: number[], outputs: number): number[] =>
      Array.from({ length: outputs }, (_, out) =>
        row.reduce(
          (sum, value, i) => sum + value * number(`${name}.kernel`, i * outputs + out),
          number(`${name}.bias`, out),
        ),
      );
    const random = createRandom(3);
    const rows = Array.from({ length: 7 }, () => Array.from({ length: dim }, () => Math.fround(3 * random.normal())));
    const result = tf.tidy(() => applyConverter(tensorsOf(host), tf.tensor2d(rows)).arraySync() as number[][]);
    rows.forEach((row, r) => {
      const activated = layer('hidden', row, hidden).map((value) => Math.max(0, value));
      layer('output', activated, dim).forEach((value, i) => expect(result[r]?.[i]).toBeCloseTo(value, 5));
    });
  });

  it('treats each row alone', () => {
    tf.tidy(() => {
      const parameters = tensorsOf(initializeConverter(createRandom(4), 3));
      const rows = tf.tensor2d([[1, 2, 3], [-1, 0, 4], [9, 9, 9]]); // prettier-ignore
      const together = applyConverter(parameters, rows).arraySync() as number[][];
      const alone = applyConverter(parameters, tf.slice(rows, [1, 0], [1, 3])).arraySync() as number[][];
      expect(together[1]).toEqual(alone[0]);
    });
  });

  it('repeats to the bit', () => {
    const run = (): number[] =>
      tf.tidy(() => [
        ...applyConverter(tensorsOf(initializeConverter(createRandom(4), 3)), tf.tensor2d([[1, 2, 3]])).dataSync(),
      ]);
    expect(run()).toEqual(run());
  });

  it('refuses another width', () => {
    tf.tidy(() => {
      const parameters = tensorsOf(initializeConverter(createRandom(1), 4));
      expect(() => applyConverter(parameters, tf.zeros([2, 3]))).toThrow(ShapeMismatchError);
      expect(() => applyConverter(parameters, tf.zeros([2, 3]))).toThrow(
        'applyConverter expected [*, 4], received [2, 3]',
      );
    });
  });
});
