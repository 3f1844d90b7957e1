import { assertFinite } from '@drf/tensor';
import { assertNotEmpty, assertSameLength } from './checks.js';
import { around, assertConfidence, DEFAULT_CONFIDENCE, type Interval } from './interval.js';
import { studentCritical, studentTwoSided } from './distributions.js';

/** One figure over several seeds. */
export interface SeedSummary {
  readonly count: number;
  readonly mean: number;
  /** Of the sample (divisor n − 1); null for a single seed. */
  readonly standardDeviation: number | null;
  /** Of the mean, by Student's t with n − 1 degrees of freedom; null for a single seed. Not cut to 0 … 1. */
  readonly interval: Interval | null;
}

/** Two methods on the same seeds: first − second. */
export interface PairedDifference extends SeedSummary {
  /**
   * Two-sided, of the paired t test; null for a single seed. Where all differences are equal it is 0, or 1 if they are
   * all 0.
   */
  readonly pValue: number | null;
}

/**
 * Mean, standard deviation and confidence interval of a figure over seeds.
 * @throws DataError for no values; NonFiniteError naming a NaN; ConfigurationError for a confidence outside 0 … 1
 */
export function summarizeSeeds(values: readonly number[], confidence = DEFAULT_CONFIDENCE): SeedSummary {
  assertConfidence('summarizeSeeds', confidence);
  assertNotEmpty('summarizeSeeds', 'the values', values.length);
  assertFinite('summarizeSeeds', values);
  const count = values.length;
  const mean = values.reduce((sum, value) => sum + value, 0) / count;
  if (count === 1) return { count, mean, standardDeviation: null, interval: null };
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  const standardDeviation = Math.sqrt(squares / (count - 1));
  const margin = (studentCritical(confidence, count - 1) * standardDeviation) / Math.sqrt(count);
  return { count, mean, standardDeviation, interval: around(mean, margin, confidence) };
}

/**
 * Difference of two methods, seed by seed: place i of both lists belongs to the same seed. "Better" is claimed only
 * where the interval leaves out 0.
 * @throws as {@link summarizeSeeds}; DataError for lists that differ in length
 */
export function pairedDifference(
  first: readonly number[],
  second: readonly number[],
  confidence = DEFAULT_CONFIDENCE,
): PairedDifference {
  assertSameLength('pairedDifference', ['values of the first method', 'of the second'], first.length, second.length);
  const summary = summarizeSeeds(
    first.map((value, seed) => value - (second[seed] as number)),
    confidence,
  );
  const { count, mean, standardDeviation } = summary;
  if (standardDeviation === null) return { ...summary, pValue: null };
  const t = mean === 0 ? 0 : (mean * Math.sqrt(count)) / standardDeviation;
  return { ...summary, pValue: studentTwoSided(t, count - 1) };
}
