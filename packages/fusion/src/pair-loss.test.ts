import * as tf from '@tensorflow/tfjs';
import { beforeAll, describe, expect, it } from 'vitest';
import { createRandom, named } from '@drf/tensor';
import { pairCrossEntropy } from './index.js';

beforeAll(async () => void (await tf.setBackend('cpu')));

const lossOf = (logits: number[][][], labels: number[], existing: number[][], weights?: number[]): number =>
  tf.tidy(
    () =>
      pairCrossEntropy(
        named(tf.tensor3d(logits), ['batch', 'pair', 'classes']),
        named(tf.tensor1d(labels, 'int32'), ['batch']),
        named(tf.tensor2d(existing), ['batch', 'pair']),
        weights === undefined ? undefined : named(tf.tensor1d(weights), ['batch']),
      ).dataSync()[0] as number,
  );

describe('pairCrossEntropy', () => {
  it('by hand', () => {
    const logits = [
      [[0, 0], [Math.log(3), 0], [9, -9]],
      [[0, Math.log(4)], [5, 5], [5, 5]],
    ]; // prettier-ignore
    const first = (Math.log(2) - Math.log(0.75)) / 2; // its third pair does not exist
    const second = -Math.log(0.8);
    expect(lossOf(logits, [0, 1], [[1, 1, 0], [1, 0, 0]])).toBeCloseTo((first + second) / 2, 5); // prettier-ignore
  });

  it('counts posts by their weights', () => {
    const logits = [[[0, 0]], [[0, Math.log(4)]]];
    const loss = lossOf(logits, [0, 1], [[1], [1]], [3, 0.5]);
    expect(loss).toBeCloseTo((3 * Math.log(2) - 0.5 * Math.log(0.8)) / 2, 6);
    expect(lossOf(logits, [0, 1], [[1], [1]], [1, 1])).toBe(lossOf(logits, [0, 1], [[1], [1]]));
  });

  it('agrees with plain loops', () => {
    const random = createRandom(1);
    for (let attempt = 0; attempt < 20; attempt++) {
      const logits = Array.from({ length: 4 }, () =>
        Array.from({ length: 3 }, () => Array.from({ length: 3 }, () => 3 * random.normal())),
      );
      const labels = logits.map(() => random.integer(3));
      const existing = logits.map(() => Array.from({ length: 3 }, () => random.integer(2)));
      let due = 0;
      logits.forEach((pairs, post) => {
        let sum = 0;
        let count = 0;
        pairs.forEach((row, pair) => {
          if (existing[post]?.[pair] !== 1) return;
          const normalizer = Math.log(row.reduce((total, value) => total + Math.exp(value), 0));
          sum += normalizer - (row[labels[post] as number] as number);
          count++;
        });
        due += sum / Math.max(1, count) / logits.length;
      });
      expect(lossOf(logits, labels, existing)).toBeCloseTo(due, 4);
    }
  });

  it('does not depend on pairs that do not exist', () => {
    const loss = (stray: number): number => lossOf([[[1, 2], [stray, -stray], [0, 1]]], [1], [[1, 0, 1]]); // prettier-ignore
    expect(loss(1e6)).toBe(loss(0));
  });

  it('is 0 for a post without any pair', () => {
    expect(lossOf([[[1, 2], [3, 4], [5, 6]]], [0], [[0, 0, 0]])).toBe(0); // prettier-ignore
  });
});
