import * as tf from '@tensorflow/tfjs';
import { beforeAll, describe, expect, it } from 'vitest';
import { CheckpointError, createRandom, hostTensor, named, type ClassScores, type PerPost } from '@drf/tensor';
import { softCrossEntropy } from '@drf/layers';
import { calibratedTargets, centroidRestraint, labelUncertainty } from './calibration.js';
import { CentroidMemory } from './centroid-memory.js';
import { maskedSparsemax, sparsemax } from './sparsemax.js';

beforeAll(() => tf.setBackend('cpu'));

const numbers = (run: () => tf.Tensor): number[] => tf.tidy(() => [...run().dataSync()]);
const scores = (rows: number[][]): ClassScores => named(tf.tensor2d(rows), ['batch', 'classes']);
const perPost = (values: number[], dtype: 'float32' | 'int32' = 'float32'): PerPost => named(tf.tensor1d(values, dtype), ['batch']); // prettier-ignore

/** The projection onto the simplex by bisection of its threshold. */
function naiveSparsemax(z: readonly number[]): number[] {
  let [low, high] = [Math.min(...z) - 1, Math.max(...z)];
  for (let i = 0; i < 100; i++) {
    const middle = (low + high) / 2;
    const sum = z.reduce((total, value) => total + Math.max(0, value - middle), 0);
    if (sum > 1) low = middle;
    else high = middle;
  }
  return z.map((value) => Math.max(0, value - high));
}

describe('sparsemax', () => {
  it.each([
    { z: [3, 1, 0.5], expected: [1, 0, 0] },
    { z: [1, 0.5, -1], expected: [0.75, 0.25, 0] },
    { z: [0.2, 0.2, 0.2, 0.2], expected: [0.25, 0.25, 0.25, 0.25] },
    { z: [1000, 999.8], expected: [0.6, 0.4] },
  ])('by hand: $z', ({ z, expected }) => {
    numbers(() => sparsemax(tf.tensor2d([z]))).forEach((value, i) =>
      expect(value).toBeCloseTo(expected[i] as number, 4),
    );
  });

  it('equals the projection found by bisection, sums to one and has exact zeros', () => {
    const random = createRandom(1);
    const rows = Array.from({ length: 20 }, () => Array.from({ length: 12 }, () => 2 * random.normal()));
    const result = numbers(() => sparsemax(tf.tensor3d([rows])));
    rows.forEach((row, i) => {
      const own = result.slice(i * 12, (i + 1) * 12);
      naiveSparsemax(row).forEach((value, k) => expect(own[k]).toBeCloseTo(value, 5));
      expect(own.reduce((sum, value) => sum + value, 0)).toBeCloseTo(1, 5);
    });
    expect(result.filter((value) => value === 0).length).toBeGreaterThan(100);
  });

  it('has the gradient of finite differences', () => {
    const z = [0.9, 0.4, 0.05, -2];
    const factors = tf.tensor1d([1, -2, 3, 4]);
    const loss = (x: tf.Tensor): tf.Tensor => tf.sum(tf.mul(sparsemax(x), factors));
    const gradient = numbers(() => tf.grad(loss)(tf.tensor1d(z)));
    const step = 1e-3;
    z.forEach((_, i) => {
      const moved = (by: number): number => numbers(() => loss(tf.tensor1d(z.map((value, k) => (k === i ? value + by : value)))))[0] as number; // prettier-ignore
      expect(gradient[i]).toBeCloseTo((moved(step) - moved(-step)) / (2 * step), 2);
    });
    factors.dispose();
  });

  it('gives what does not stand nothing, and nothing at all where nothing stands', () => {
    const mask = tf.tensor2d([[1, 0, 1], [0, 0, 0]]); // prettier-ignore
    const weights = numbers(() => maskedSparsemax(tf.tensor2d([[0, 9, 0.5], [1, 2, 3]]), mask)); // prettier-ignore
    [0.25, 0, 0.75, 0, 0, 0].forEach((value, i) => expect(weights[i]).toBeCloseTo(value, 5));
    mask.dispose();
  });
});

describe('CentroidMemory', () => {
  const observe = (features: number[], labels: number[]) => ({
    features: hostTensor(features, [labels.length, 2]),
    labels: hostTensor(labels, [labels.length]),
  });

  it('takes a class’s first mean over and mixes later ones in', () => {
    const memory = new CentroidMemory(3, 2);
    memory.update(observe([1, 2, 3, 4, 10, 20], [0, 0, 2]));
    expect([...memory.inputs().centroids.data]).toEqual([2, 3, 0, 0, 10, 20]);
    expect([...memory.inputs().known.data]).toEqual([1, 0, 1]);
    memory.update(observe([12, 13], [0]));
    const [x, y] = memory.inputs().centroids.data;
    expect(x).toBeCloseTo(0.9 * 2 + 0.1 * 12, 5);
    expect(y).toBeCloseTo(0.9 * 3 + 0.1 * 13, 5);
    const resumed = new CentroidMemory(3, 2);
    resumed.restore(memory.state());
    expect(resumed.inputs()).toEqual(memory.inputs());
  });

  it('refuses what is not its own', () => {
    expect(() => new CentroidMemory(3, 2).restore({})).toThrow(CheckpointError);
    const other = new CentroidMemory(2, 2).state();
    expect(() => new CentroidMemory(3, 2).restore(other)).toThrow(
      'MVCN memory expected centroids [3, 2] and known, received [2, 2]',
    );
  });
});

describe('calibration', () => {
  it('finds a label certain where image and text agree, and uncertain where they are sure of different classes', () => {
    const image = [[1, 0, 0], [1, 0, 0], [0.5, 0.5, 0]]; // prettier-ignore
    const text = [[1, 0, 0], [0, 1, 0], [0.5, 0, 0.5]]; // prettier-ignore
    const [same, opposed, between] = numbers(() => labelUncertainty(scores(image), scores(text)));
    expect(same).toBeCloseTo(0, 5);
    expect(opposed).toBeCloseTo(1, 5);
    expect(between).toBeCloseTo(0.5, 5); // half of the mass is shared
  });

  it('moves such a label to what the modalities say', () => {
    const targets = numbers(
      () =>
      calibratedTargets(perPost([2, 0], 'int32'), scores([[1, 0, 0], [1, 0, 0]]), scores([[0, 1, 0], [1, 0, 0]]), 0.5), // prettier-ignore
    );
    [0.25, 0.25, 0.5, 1, 0, 0].forEach((value, i) => expect(targets[i]).toBeCloseTo(value, 5));
  });

  it('sends no gradient to the modalities’ predictions', () => {
    const gradient = numbers(() =>
      tf.grad((image) =>
        softCrossEntropy(
          scores([[0.3, 0.1, 0.2]]),
          calibratedTargets(perPost([0], 'int32'), named(image, ['batch', 'classes']), scores([[0.1, 0.8, 0.1]]), 0.5),
        ),
      )(tf.tensor2d([[0.6, 0.2, 0.2]])),
    );
    expect(gradient.map(Math.abs)).toEqual([0, 0, 0]);
  });

  it('restrains features by their angle to the centroid of their class', () => {
    const memory = {
      centroids: named(tf.tensor2d([[2, 0], [0, 0]]), ['classes', 'dim']), // prettier-ignore
      known: named(tf.tensor1d([1, 0]), ['classes']),
    };
    const restraint = (features: number[][], available: number[], labels: number[]): number =>
      numbers(() => centroidRestraint(tf.tensor2d(features), perPost(available), perPost(labels, 'int32'), memory))[0] as number; // prettier-ignore
    expect(restraint([[5, 0]], [1], [0])).toBeCloseTo(0, 5);
    expect(restraint([[0, 1]], [1], [0])).toBeCloseTo(1, 5);
    expect(restraint([[5, 0], [-1, 0]], [1, 1], [0, 0])).toBeCloseTo(1, 5); // prettier-ignore
    expect(restraint([[5, 0], [-1, 0]], [1, 0], [0, 0])).toBeCloseTo(0, 5); // prettier-ignore
    expect(restraint([[-1, 0]], [1], [1])).toBe(0); // no centroid yet
    memory.centroids.dispose();
    memory.known.dispose();
  });
});
