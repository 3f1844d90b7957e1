import * as tf from '@tensorflow/tfjs';
import { beforeAll, describe, expect, it } from 'vitest';
import { CheckpointError, createRandom, hostTensor, named, type PerPost } from '@drf/tensor';
import { AugmentationMemory, HIDDEN_SHARE, hideTokens } from './augmentation.js';
import { authorsLabelLoss, dataContrastiveLoss, labelContrastiveLoss } from './contrastive-losses.js';

beforeAll(() => tf.setBackend('cpu'));

function cosine(a: readonly number[], b: readonly number[]): number {
  const dot = (x: readonly number[], y: readonly number[]): number =>
    x.reduce((sum, value, i) => sum + value * (y[i] as number), 0);
  return dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b));
}

function naiveLabelLoss(rows: readonly number[][], labels: readonly number[], temperature: number): number {
  const losses = rows.flatMap((row, i) => {
    const others = rows.map((_, j) => j).filter((j) => j !== i);
    const positives = others.filter((j) => labels[j] === labels[i]);
    if (positives.length === 0) return [];
    const exponential = (j: number): number => Math.exp(cosine(row, rows[j] as number[]) / temperature);
    const total = others.reduce((sum, j) => sum + exponential(j), 0);
    return [positives.reduce((sum, j) => sum - Math.log(exponential(j) / total), 0) / positives.length];
  });
  return losses.length === 0 ? 0 : losses.reduce((sum, loss) => sum + loss, 0) / losses.length;
}

function naiveDataLoss(rows: readonly number[][], views: readonly number[][], temperature: number): number {
  const losses = rows.map((row, i) => {
    const exponentials = views.map((view) => Math.exp(cosine(row, view) / temperature));
    return -Math.log((exponentials[i] as number) / exponentials.reduce((sum, value) => sum + value, 0));
  });
  return losses.reduce((sum, loss) => sum + loss, 0) / losses.length;
}

function randomRows(name: string, count: number): number[][] {
  const random = createRandom(1).fork(name);
  return Array.from({ length: count }, () => Array.from({ length: 3 }, () => random.normal()));
}

const labelsOf = (labels: readonly number[]): PerPost => named(tf.tensor1d([...labels], 'int32'), ['batch']);
const value = (run: () => tf.Tensor): number => tf.tidy(() => run().dataSync()[0] as number);

describe('labelContrastiveLoss', () => {
  it.each([
    { name: 'mixed labels', labels: [0, 1, 0, 2, 1, 0] }, // label 2 has one post, which counts as nobody's anchor
    { name: 'one label', labels: [1, 1, 1, 1, 1, 1] },
    { name: 'all different', labels: [0, 1, 2, 3, 4, 5] },
  ])('equals loops over posts: $name', ({ labels }) => {
    const rows = randomRows('label', 6);
    const loss = value(() => labelContrastiveLoss(tf.tensor2d(rows), labelsOf(labels), 0.5));
    expect(loss).toBeCloseTo(naiveLabelLoss(rows, labels, 0.5), 5);
  });

  it('by hand: two posts of a label are each other’s only choice', () => {
    const rows = [[1, 0], [0, 1]]; // prettier-ignore
    expect(value(() => labelContrastiveLoss(tf.tensor2d(rows), labelsOf([0, 0]), 0.1))).toBeCloseTo(0, 6);
  });

  it('falls when posts of a label come together', () => {
    const loss = (rows: number[][]): number => value(() => labelContrastiveLoss(tf.tensor2d(rows), labelsOf([0, 0, 1, 1]), 0.5)); // prettier-ignore
    const together = [[1, 0.1], [1, -0.1], [-1, 0.1], [-1, -0.1]]; // prettier-ignore
    const apart = [[1, 0.1], [-1, 0.1], [1, -0.1], [-1, -0.1]]; // prettier-ignore
    expect(loss(together)).toBeLessThan(loss(apart));
  });
});

describe('dataContrastiveLoss', () => {
  it('equals loops over posts', () => {
    const [rows, views] = [randomRows('rows', 5), randomRows('views', 5)];
    const loss = value(() => dataContrastiveLoss(tf.tensor2d(rows), tf.tensor2d(views), 0.2));
    expect(loss).toBeCloseTo(naiveDataLoss(rows, views, 0.2), 5);
  });

  it('by hand: views that cannot be told apart cost the logarithm of their number', () => {
    const rows = [[1, 0], [0, 1], [1, 1]]; // prettier-ignore
    const same = [[1, 0], [1, 0], [1, 0]]; // prettier-ignore
    expect(value(() => dataContrastiveLoss(tf.tensor2d(rows), tf.tensor2d(same), 0.07))).toBeCloseTo(Math.log(3), 5);
  });
});

describe('contrastive losses as the authors have them', () => {
  const dot = (a: readonly number[], b: readonly number[]): number =>
    a.reduce((sum, value, i) => sum + value * (b[i] as number), 0);
  const logShare = (row: readonly number[], rows: readonly number[][], j: number, temperature = 1): number => {
    const scores = rows.map((other) => dot(row, other) / temperature);
    return (scores[j] as number) - Math.log(scores.reduce((sum, score) => sum + Math.exp(score), 0));
  };

  it('label-based: a post is one of its label, and the temperature comes after log softmax', () => {
    const [rows, labels, temperature] = [randomRows('label', 5), [0, 1, 0, 2, 1], 0.5];
    const pairs = labels.flatMap((label, i) =>
      labels.flatMap((other, j) => (label === other ? [[i, j] as const] : [])),
    );
    expect(pairs).toHaveLength(9);
    const total = pairs.reduce((sum, [i, j]) => sum - logShare(rows[i] as number[], rows, j) / temperature, 0);
    const loss = value(() => authorsLabelLoss(tf.tensor2d(rows), labelsOf(labels), temperature));
    expect(loss).toBeCloseTo(total / 9, 5);
  });

  it('data-based: by dot product', () => {
    const [rows, views] = [randomRows('rows', 4), randomRows('views', 4)];
    const total = rows.reduce((sum, row, i) => sum - logShare(row, views, i, 0.2), 0);
    const loss = value(() => dataContrastiveLoss(tf.tensor2d(rows), tf.tensor2d(views), 0.2, false));
    expect(loss).toBeCloseTo(total / 4, 4);
  });
});

describe('augmentation', () => {
  it('refuses fewer numbers than tokens instead of reading past them', () => {
    tf.tidy(() => {
      const sequence = {
        states: named(tf.zeros([2, 197, 1]), ['batch', 'token', 'dim']),
        mask: named(tf.ones([2, 197]), ['batch', 'token']),
      };
      expect(() => hideTokens(sequence, tf.zeros([64, 48]), 0.3)).toThrow(
        'CLMLF, chances of hiding tokens, expected [64, at least 196], one for each token, received [64, 48]',
      );
    });
  });

  it('hides about the share of tokens asked for, never the first, and changes from step to step', () => {
    const memory = new AugmentationMemory(3, 40);
    const hidden = (): number[] =>
      tf.tidy(() => {
        const sequence = {
          states: named(tf.zeros([70, 41, 1]), ['batch', 'token', 'dim']),
          mask: named(tf.ones([70, 41]), ['batch', 'token']),
        };
        const { chances } = memory.inputs();
        const tensor = tf.tensor2d(chances.data as Float32Array, [64, 40]);
        return [...hideTokens(sequence, tensor, HIDDEN_SHARE.place).mask.dataSync()];
      });
    const first = hidden();
    expect(first.filter((_, i) => i % 41 === 0).every((stands) => stands === 1)).toBe(true);
    expect(first.filter((stands) => stands === 0).length / (70 * 40)).toBeCloseTo(HIDDEN_SHARE.place, 1);
    expect(hidden()).toEqual(first); // reading draws nothing
    memory.update();
    expect(hidden()).not.toEqual(first);
    const resumed = new AugmentationMemory(3, 40);
    resumed.restore(memory.state());
    expect(resumed.inputs()).toEqual(memory.inputs());
    expect(new AugmentationMemory(4, 40).inputs()).not.toEqual(new AugmentationMemory(3, 40).inputs());
  });

  it('refuses the memory of another method', () => {
    const memory = new AugmentationMemory(3, 4);
    expect(() => memory.restore({ rows: hostTensor([0], [1]) })).toThrow(CheckpointError);
    expect(() => memory.restore({})).toThrow('CLMLF memory expected "steps", received names (none)');
  });
});
