import { areFeatures, type PostSet } from '@drf/experiment';
import { createRandom } from '@drf/tensor';

export interface BatchPlan {
  readonly seed: number;
  readonly epoch: number;
  readonly batchSize: number;
  /** Batches among whose posts those of like text length come together; 1: none. */
  readonly groupByLength: number;
}

/**
 * The batches of an epoch: places in the set, by (seed, epoch) only. Every post comes once; the last batch may be short.
 * With `groupByLength`, each so many batches of the shuffled order are sorted by text length, cut, and shuffled among
 * themselves, so that a batch is padded to little more than its own length and long texts still come at any time.
 */
export function epochBatches(set: PostSet, { seed, epoch, batchSize, groupByLength }: BatchPlan): number[][] {
  const random = createRandom(seed).fork('order').fork(epoch);
  const order = random.shuffle(set.ids.map((_, index) => index));
  const lengths = areFeatures(set.text.rows) ? undefined : set.text.rows.lengths;
  if (groupByLength === 1 || lengths === undefined) return cut(order, batchSize);
  const ofLength = (index: number): number => lengths[index] as number;
  const windows = cut(order, batchSize * groupByLength);
  return windows.flatMap((window, place) => {
    const batches = cut(
      window.toSorted((a, b) => ofLength(a) - ofLength(b)),
      batchSize,
    );
    const short = batches.filter(({ length }) => length < batchSize); // stays last, so that steps keep their sizes
    const full = batches.filter(({ length }) => length === batchSize);
    return [...random.fork('window').fork(place).shuffle(full), ...short];
  });
}

/** A batch in parts of one size; the last may be short, and a short batch has fewer. */
export function partsOf(batch: readonly number[], batchSize: number, accumulate: number): number[][] {
  return cut(batch, Math.ceil(batchSize / accumulate));
}

function cut(items: readonly number[], size: number): number[][] {
  return Array.from({ length: Math.ceil(items.length / size) }, (_, i) => items.slice(i * size, (i + 1) * size));
}
