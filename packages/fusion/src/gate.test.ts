import * as tf from '@tensorflow/tfjs';
import { beforeAll, describe, expect, it } from 'vitest';
import { createRandom, hostTensor, mapTree, named, type HostTensor } from '@drf/tensor';
import { toTensor } from '@drf/tensor/transfer';
import { applyGate, initializeGate, type GateParameters } from './index.js';

beforeAll(async () => void (await tf.setBackend('cpu')));

const weightsOf = (parameters: GateParameters, statistics: number[][]): number[][] =>
  applyGate(parameters, named(tf.tensor2d(statistics), ['batch', 'statistic'])).arraySync() as number[][];

describe('the gate', () => {
  it('weighs all pairs alike before it has learned', () => {
    tf.tidy(() => {
      const parameters = mapTree(initializeGate(createRandom(1), 4, 5), toTensor) as GateParameters;
      expect(weightsOf(parameters, [[1, -2, 3, 0], [0, 0, 9, 9]])).toEqual([[0, 0, 0], [0, 0, 0]]); // prettier-ignore
    });
  });

  it('by hand: linear, tanh, linear', () => {
    tf.tidy(() => {
      const parameters = mapTree(
        {
          hidden: { kernel: hostTensor([2, 0, -1, 0.5], [2, 2]), bias: hostTensor([0.5, 0], [2]) },
          output: { kernel: hostTensor([1, 2, 3, 0, -1, 4], [2, 3]), bias: hostTensor([0, 0.25, 0], [3]) },
        },
        toTensor,
      ) as GateParameters;
      const [first, second] = [Math.tanh(2 * 1 - 1 * 2 + 0.5), Math.tanh(0.5 * 2)];
      const due = [first, 2 * first - second + 0.25, 3 * first + 4 * second];
      weightsOf(parameters, [[1, 2]])[0]?.forEach((value, i) => expect(value).toBeCloseTo(due[i] as number, 5));
    });
  });

  it('starts the same from the same seed, otherwise from another', () => {
    const kernel = (seed: number): HostTensor =>
      (initializeGate(createRandom(seed), 4, 5).hidden as { kernel: HostTensor }).kernel;
    expect(kernel(3)).toEqual(kernel(3));
    expect(kernel(3)).not.toEqual(kernel(4));
  });

  it('can learn from its start: the last layer has a gradient', () => {
    tf.tidy(() => {
      const parameters = mapTree(initializeGate(createRandom(1), 2, 3), toTensor) as GateParameters;
      const gradient = tf.grad((kernel: tf.Tensor) => {
        const output = { ...parameters.output, kernel: named(kernel, ['in', 'out']) };
        const weights = applyGate({ ...parameters, output }, named(tf.tensor2d([[1, 2]]), ['batch', 'statistic']));
        return tf.sum(tf.slice(tf.softmax(weights), [0, 0], [1, 1]));
      })(parameters.output.kernel);
      expect([...gradient.dataSync()].some((slope) => Math.abs(slope) > 1e-3)).toBe(true);
    });
  });

  it('refuses statistics of another number', () => {
    tf.tidy(() => {
      const parameters = mapTree(initializeGate(createRandom(1), 4, 5), toTensor) as GateParameters;
      expect(() => weightsOf(parameters, [[1, 2]])).toThrow('applyGate expected [*, 4], received [1, 2]');
    });
  });
});
