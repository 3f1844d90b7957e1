import type { EncodedBatchInputs } from '@drf/model';
import { createRandom, hostTensor, type Host, type HostTensor } from '@drf/tensor';
import { describe, expect, it } from 'vitest';
import { withDropoutSeeds } from './feature-set.js';

function seedsOf(indices: readonly number[], epoch = 0): number[][] {
  const available = hostTensor(new Float32Array(indices.length).fill(1), [indices.length]);
  const contents = { ids: hostTensor(new Int32Array(indices.length), [indices.length, 1]) };
  const batch: Host<EncodedBatchInputs> = {
    image: { available, features: hostTensor(new Float32Array(2 * indices.length), [indices.length, 2]) },
    text: { available, contents },
  };
  const random = createRandom(7).fork('dropout').fork(epoch);
  const { image, text } = withDropoutSeeds(batch, indices, random);
  expect(image).toBe(batch.image); // ready-made features have nothing to drop
  const { dropout, ids } = 'contents' in text ? text.contents : expect.fail('no contents');
  expect(ids).toBe(contents.ids);
  expect(dropout).toMatchObject({ dtype: 'int32', shape: [indices.length, 4] });
  return indices.map((_, i) => [...(dropout as HostTensor).data.slice(4 * i, 4 * i + 4)]);
}

describe('withDropoutSeeds', () => {
  it('gives a post the same seeds in a batch and in a part of it, and others in another epoch', () => {
    const whole = seedsOf([3, 5, 8, 1]);
    expect([...seedsOf([3, 5]), ...seedsOf([8, 1])]).toEqual(whole);
    expect(new Set(whole.map(String)).size).toBe(4);
    expect(seedsOf([3, 5, 8, 1], 1)).not.toEqual(whole);
  });

  it('draws whole numbers from 1 to 4,090', () => {
    const all = seedsOf(Array.from({ length: 500 }, (_, i) => i)).flat();
    expect(Math.min(...all)).toBeGreaterThanOrEqual(1);
    expect(Math.max(...all)).toBeLessThanOrEqual(4090);
  });
});
