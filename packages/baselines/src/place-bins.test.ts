import * as tf from '@tensorflow/tfjs';
import { beforeAll, describe, expect, it } from 'vitest';
import { named } from '@drf/tensor';
import { placeBins, poolPlaces } from './place-bins.js';

beforeAll(() => tf.setBackend('cpu'));

/** Places of each bin. */
function membersOf(count: number, side: number): number[][] {
  const { bins, members } = placeBins(count, side);
  return Array.from({ length: bins }, (_, bin) =>
    Array.from({ length: count }, (_, place) => place).filter((place) => members[bin * count + place] === 1),
  );
}

describe('placeBins', () => {
  it('cuts a square map into overlapping squares', () => {
    expect(membersOf(9, 2)).toEqual([[0, 1, 3, 4], [1, 2, 4, 5], [3, 4, 6, 7], [4, 5, 7, 8]]); // prettier-ignore
  });

  it('leaves a class token before a map out, as 197 tokens of a ViT have one before 14 × 14 places', () => {
    const withToken = membersOf(197, 3);
    expect(withToken).toHaveLength(9);
    expect(withToken).toEqual(membersOf(196, 3).map((places) => places.map((place) => place + 1)));
    expect(withToken.flat()).not.toContain(0);
  });

  it('takes neighbors where there is no map', () => {
    expect(membersOf(7, 2)).toEqual([[0, 1], [1, 2, 3], [3, 4, 5], [5, 6]]); // prettier-ignore
  });
});

it('poolPlaces averages what stands, without the class token', () => {
  const values = tf.tidy(() => {
    const states = named(tf.tensor3d([100, 1, 2, 3, 4], [1, 5, 1]), ['batch', 'token', 'dim']);
    const mask = named(tf.ones([1, 5]), ['batch', 'token']);
    return [...poolPlaces({ states, mask }, 2).states.dataSync()];
  });
  expect(values).toEqual([1, 2, 3, 4]);
});
