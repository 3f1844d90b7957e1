import { describe, expect, it } from 'vitest';
import { createRandom } from '@drf/tensor';
import type { ContentRows } from '@drf/experiment';
import { epochBatches, partsOf } from './batches.js';
import { separablePosts } from './testing/tiny-run.js';

const random = createRandom(1);
const lengths = Int32Array.from({ length: 103 }, () => random.integer(200));
const text: ContentRows = { lengths, gather: async () => ({ inputs: {}, unreadable: [] }) };
const features = separablePosts(103);
const contents = { ...features, text: { ...features.text, rows: text } };
const plan = { seed: 1, epoch: 0, batchSize: 8, groupByLength: 1 };

describe('epochBatches', () => {
  it.each([1, 4])('hold every post once, in an order by seed and epoch alone (groups of %i)', (groupByLength) => {
    const own = { ...plan, groupByLength };
    const batches = epochBatches(contents, own);
    expect(batches.flat().toSorted((a, b) => a - b)).toEqual(Array.from({ length: 103 }, (_, i) => i));
    expect(batches.map(({ length }) => length)).toEqual([...Array<number>(12).fill(8), 7]);
    expect(epochBatches(contents, own)).toEqual(batches);
    expect(epochBatches(contents, { ...own, epoch: 1 })).not.toEqual(batches);
    expect(epochBatches(contents, { ...own, seed: 2 })).not.toEqual(batches);
  });

  it('put posts of like length together where asked to, near where they were', () => {
    const padding = (batches: number[][]): number =>
      batches.reduce((sum, batch) => sum + Math.max(...batch.map((i) => lengths[i] as number)) * batch.length, 0);
    const plain = epochBatches(contents, plan);
    const grouped = epochBatches(contents, { ...plan, groupByLength: 4 });
    expect(padding(grouped)).toBeLessThan(0.8 * padding(plain));
    for (const window of [0, 1, 2]) {
      const of = (batches: number[][]) => batches.slice(4 * window, 4 * window + 4).flat().toSorted((a, b) => a - b); // prettier-ignore
      expect(of(grouped)).toEqual(of(plain));
    }
  });

  it('leave features in the plain order, which knows no lengths', () => {
    expect(epochBatches(features, { ...plan, groupByLength: 4 })).toEqual(epochBatches(features, plan));
  });
});

describe('partsOf', () => {
  it('cuts a batch into parts of one size, the last short', () => {
    const batch = [1, 2, 3, 4, 5, 6, 7];
    expect(partsOf(batch, 8, 1)).toEqual([batch]);
    expect(partsOf(batch, 8, 2)).toEqual([[1, 2, 3, 4], [5, 6, 7]]); // prettier-ignore
    expect(partsOf(batch, 8, 8)).toHaveLength(7);
    expect(partsOf([1, 2], 8, 2)).toEqual([[1, 2]]);
  });
});
