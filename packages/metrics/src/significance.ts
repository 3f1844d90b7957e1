import { DataError } from '@drf/tensor';
import { assertNotEmpty, assertSameLength, type ClassIndices } from './checks.js';
import { logGamma } from './distributions.js';

/** Two methods' right and wrong answers on the same posts. */
export interface McNemarResult {
  /** Posts that only the first method, or only the second, gets right. */
  readonly firstOnly: number;
  readonly secondOnly: number;
  /** Two-sided and exact: of a fair coin thrown once for each post on which the methods differ. 1 where none differs. */
  readonly pValue: number;
}

/**
 * The p-value of McNemar's exact test, from the posts that only one of two methods gets right: two-sided, of a fair coin
 * thrown once for each of them. 1 where there are none.
 */
export function mcnemarPValue(firstOnly: number, secondOnly: number): number {
  // half of the throws or nearly so: the tail holds at least one half, and rounding must not make it less
  if (Math.abs(firstOnly - secondOnly) <= 1) return 1;
  return 2 * lowerTail(Math.min(firstOnly, secondOnly), firstOnly + secondOnly);
}

/** P(X ≤ count) for X binomial over `total` throws of a fair coin. */
function lowerTail(count: number, total: number): number {
  let sum = 0;
  for (let k = 0; k <= count; k++) {
    sum += Math.exp(logGamma(total + 1) - logGamma(k + 1) - logGamma(total - k + 1) - total * Math.LN2);
  }
  return sum;
}

/**
 * McNemar's exact test: do two methods get equally many posts right?
 * Source: McNemar, "Note on the sampling error of the difference between correlated proportions" (Psychometrika 1947),
 * with the binomial distribution in place of χ².
 * @throws DataError for no labels or lists that differ in length
 */
export function mcnemarExact(labels: ClassIndices, first: ClassIndices, second: ClassIndices): McNemarResult {
  const subject = 'mcnemarExact';
  assertNotEmpty(subject, 'the labels', labels.length);
  assertSameLength(subject, ['labels', 'predictions of the first method'], labels.length, first.length);
  assertSameLength(subject, ['labels', 'predictions of the second method'], labels.length, second.length);
  let firstOnly = 0;
  let secondOnly = 0;
  for (let i = 0; i < labels.length; i++) {
    const [firstRight, secondRight] = [first[i] === labels[i], second[i] === labels[i]];
    if (firstRight && !secondRight) firstOnly += 1;
    if (secondRight && !firstRight) secondOnly += 1;
  }
  return { firstOnly, secondOnly, pValue: mcnemarPValue(firstOnly, secondOnly) };
}

/**
 * p-values corrected for asking several questions at once: the chance of even one false alarm among all of them stays
 * below the level at which a corrected value is called significant. Places stay as they are.
 * Source: Holm, "A simple sequentially rejective multiple test procedure" (Scandinavian Journal of Statistics 1979).
 * @throws DataError naming a value that leaves 0 … 1 (NaN, too)
 */
export function holmAdjusted(pValues: readonly number[]): number[] {
  const invalid = pValues.findIndex((value) => !(value >= 0 && value <= 1));
  if (invalid >= 0) {
    throw new DataError({
      subject: 'holmAdjusted',
      expected: 'p-values from 0 to 1',
      received: `${pValues[invalid]} at place ${invalid}`,
      remedy: 'leave out questions that have no p-value',
    });
  }
  const order = [...pValues.keys()].sort((first, second) => (pValues[first] as number) - (pValues[second] as number));
  const adjusted = new Array<number>(pValues.length);
  let largest = 0;
  order.forEach((place, rank) => {
    largest = Math.max(largest, Math.min(1, (pValues.length - rank) * (pValues[place] as number)));
    adjusted[place] = largest;
  });
  return adjusted;
}
