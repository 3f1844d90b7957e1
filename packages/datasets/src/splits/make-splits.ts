import { ConfigurationError, createRandom, type Random } from '@drf/tensor';
import type { Dataset, PostRecord } from '../dataset.js';

/** Ids of the posts of each split, by the split's name. */
export type Splits = Readonly<Record<string, readonly string[]>>;

/** Sizes of the splits, and the seed that decides who goes where. */
export interface SplitOptions {
  /**
   * Share of each split by name: fractions that sum to 1 (the paper's `{ train: 0.8, val: 0.1, test: 0.1 }`), or whole
   * numbers for ratios (8, 1, 1) or exact sizes (13618, 1703, 1703).
   */
  readonly fractions: Readonly<Record<string, number>>;
  readonly seed: number;
}

/** The split of the paper: 8 : 1 : 1. */
export const PAPER_FRACTIONS = { train: 0.8, val: 0.1, test: 0.1 } as const;

/**
 * Draws splits that hold every class in the same shares. Sizes are the whole parts of fraction × posts, and the last
 * split takes the rest (4,511 posts at 8 : 1 : 1 give the paper's 3608, 451, 452).
 * Ids keep the data set's order within a split. The same seed gives the same splits.
 * @throws ConfigurationError when shares are not positive or do not add up, or a split would stay empty
 */
export function makeSplits(dataset: Pick<Dataset, 'records' | 'classes'>, { fractions, seed }: SplitOptions): Splits {
  const names = Object.keys(fractions);
  const sizes = splitSizes(checkedShares(fractions), dataset.records.length);
  checkSizes(names, sizes);
  const random = createRandom(seed).fork('splits');
  const splitOf = assignStratified(stratifiedOrder(dataset, random), sizes);
  const idsOf = (index: number): string[] =>
    dataset.records.filter((record) => splitOf.get(record.id) === index).map((record) => record.id);
  return Object.fromEntries(names.map((name, index) => [name, idsOf(index)]));
}

/** Shares that sum to 1. */
function checkedShares(fractions: Readonly<Record<string, number>>): readonly number[] {
  const values = Object.values(fractions);
  const sum = values.reduce((total, value) => total + value, 0);
  const addUp = Math.abs(sum - 1) < 1e-6 || values.every(Number.isSafeInteger);
  if (values.length > 0 && values.every((value) => value > 0) && addUp) return values.map((value) => value / sum);
  throw new ConfigurationError({
    subject: 'makeSplits',
    expected: 'positive fractions that sum to 1, or positive whole numbers',
    received: JSON.stringify(fractions),
    remedy: 'pass such as train 0.8, val 0.1, test 0.1',
  });
}

function splitSizes(fractions: readonly number[], total: number): number[] {
  const sizes = fractions.slice(0, -1).map((fraction) => Math.floor(fraction * total + 1e-9));
  return [...sizes, total - sizes.reduce((sum, size) => sum + size, 0)];
}

function checkSizes(names: readonly string[], sizes: readonly number[]): void {
  const empty = sizes.indexOf(0);
  if (empty === -1) return;
  throw new ConfigurationError({
    subject: `Split ${names[empty]}`,
    expected: 'at least one post',
    received: `none of ${sizes.reduce((sum, size) => sum + size, 0)}`,
    remedy: 'raise its fraction or bring more posts',
  });
}

/** Ids class by class, shuffled within each. */
function stratifiedOrder({ records, classes }: Pick<Dataset, 'records' | 'classes'>, random: Random): string[] {
  const ofClass = (label: number): readonly PostRecord[] => records.filter((record) => record.label === label);
  return classes.flatMap((name, label) => random.fork(name).shuffle(ofClass(label).map((record) => record.id)));
}

/**
 * Gives each id in turn to the split that is furthest behind its share of the ids seen so far, so that every stretch of
 * the order (every class) is shared out in the same proportions, and every split ends at exactly its size.
 */
function assignStratified(order: readonly string[], sizes: readonly number[]): ReadonlyMap<string, number> {
  const counts = sizes.map(() => 0);
  const result = new Map<string, number>();
  for (const [position, id] of order.entries()) {
    const behind = sizes.map((size, index) => {
      const count = counts[index] as number;
      return count === size ? -Infinity : (size * (position + 1)) / order.length - count;
    });
    const index = behind.indexOf(Math.max(...behind));
    counts[index] = (counts[index] as number) + 1;
    result.set(id, index);
  }
  return result;
}
