import * as tf from '@tensorflow/tfjs';
import { beforeAll, describe, expect, it } from 'vitest';
import { named, PAIRS, type Features, type PerPost } from '@drf/tensor';
import { existingPairs, expandPairs, filledOriginalPair, select, type PostFeatures } from './index.js';

beforeAll(async () => void (await tf.setBackend('cpu')));

const perPost = (values: number[]): PerPost => named(tf.tensor1d(values), ['batch']);
const rows = (values: number[][]): Features => named(tf.tensor2d(values), ['batch', 'dim']);
const features = (): PostFeatures => ({
  image: rows([[1, 2], [10, 20], [100, 200]]), // prettier-ignore
  text: rows([[3, 4], [30, 40], [300, 400]]), // prettier-ignore
  recovered: {
    text: rows([[5, 6], [50, 60], [500, 600]]), // prettier-ignore
    image: rows([[7, 8], [70, 80], [700, 800]]), // prettier-ignore
  },
});

describe('expandPairs', () => {
  it('lays out each post as its three pairs, image half first, in the order of PAIRS', () => {
    expect(PAIRS).toEqual(['original', 'imageAndRecoveredText', 'recoveredImageAndText']);
    tf.tidy(() => {
      const pairs = expandPairs(features());
      expect(pairs.shape).toEqual([3, 3, 4]);
      const [first, second] = pairs.arraySync() as number[][][];
      expect(first).toEqual([[1, 2, 3, 4], [1, 2, 5, 6], [7, 8, 3, 4]]); // prettier-ignore
      expect(second).toEqual([[10, 20, 30, 40], [10, 20, 50, 60], [70, 80, 30, 40]]); // prettier-ignore
    });
  });
});

describe('existingPairs', () => {
  it('is λᵛλᵗ, λᵛ, λᵗ', () => {
    tf.tidy(() => {
      expect(existingPairs({ image: perPost([1, 1, 0, 0]), text: perPost([1, 0, 1, 0]) }).arraySync()).toEqual([
        [1, 1, 1],
        [0, 1, 0],
        [0, 0, 1],
        [0, 0, 0],
      ]);
    });
  });
});

describe('filledOriginalPair', () => {
  it('fills what is missing by recovery, and nothing else', () => {
    tf.tidy(() => {
      const pairs = filledOriginalPair(features(), { image: perPost([1, 0, 1]), text: perPost([1, 1, 0]) });
      expect(pairs.arraySync()).toEqual([[[1, 2, 3, 4]], [[70, 80, 30, 40]], [[100, 200, 500, 600]]]);
    });
  });
});

describe('select', () => {
  it('chooses by row, of matrices and of vectors, without mixing in the other side', () => {
    tf.tidy(() => {
      const mask = perPost([1, 0]);
      expect(select(mask, rows([[1, 2], [NaN, Infinity]]), rows([[NaN, NaN], [3, 4]])).arraySync()).toEqual([[1, 2], [3, 4]]); // prettier-ignore
      expect(select(mask, tf.tensor1d([1, NaN]), tf.tensor1d([NaN, 2])).arraySync()).toEqual([1, 2]);
    });
  });

  it('sends the gradient to the chosen side only', () => {
    tf.tidy(() => {
      const run = (present: tf.Tensor, otherwise: tf.Tensor): tf.Tensor =>
        tf.sum(select(perPost([1, 0]), present, otherwise));
      const [present, otherwise] = tf.grads(run)([tf.ones([2, 2]), tf.ones([2, 2])]) as [tf.Tensor, tf.Tensor];
      expect(present.arraySync()).toEqual([[1, 1], [0, 0]]); // prettier-ignore
      expect(otherwise.arraySync()).toEqual([[0, 0], [1, 1]]); // prettier-ignore
    });
  });
});
