import { ConfigurationError, type Random } from '@drf/tensor';
import { assertLabelsAndPredictions, assertNotEmpty, assertSameLength, type ClassIndices } from './checks.js';
import { assertConfidence, DEFAULT_CONFIDENCE, type Interval } from './interval.js';
import { quantile } from './quantile.js';
import { METRICS, type MetricName } from './scores.js';

/** The predictions of one method: a list of class indices for each of its runs (seeds), all on the same posts. */
export type Runs = readonly ClassIndices[];

/** How posts are resampled, and what is compared. */
export interface BootstrapOptions {
  readonly classCount: number;
  readonly random: Random;
  /** Default: accuracy. */
  readonly metric?: MetricName;
  /** Default: 2,000. */
  readonly resamples?: number;
  /** Default: 0.95. */
  readonly confidence?: number;
}

/** A difference of two methods over the same posts, with its interval. */
export interface BootstrapDifference {
  /** Mean of the first method's runs less that of the second's, on the posts as they are. */
  readonly difference: number;
  readonly interval: Interval;
  readonly resamples: number;
}

/** The metric of a resample in which post i occurs `counts[i]` times, averaged over a method's runs. */
function weightedMetric(labels: ClassIndices, runs: Runs, counts: Uint32Array, options: BootstrapOptions): number {
  const { classCount, metric = 'accuracy' } = options;
  let total = 0;
  for (const predictions of runs) {
    const confusion = Array.from({ length: classCount }, () => new Array<number>(classCount).fill(0));
    for (let post = 0; post < labels.length; post++) {
      const row = confusion[labels[post] as number] as number[];
      const column = predictions[post] as number;
      row[column] = (row[column] as number) + (counts[post] as number);
    }
    total += METRICS[metric](confusion);
  }
  return total / runs.length;
}

function check(labels: ClassIndices, first: Runs, second: Runs, options: BootstrapOptions, resamples: number): void {
  const subject = 'pairedBootstrap';
  if (!Number.isSafeInteger(resamples) || resamples < 100) {
    throw new ConfigurationError({ subject, expected: 'at least 100 resamples', received: String(resamples) });
  }
  assertNotEmpty(subject, "the first method's runs", first.length);
  assertSameLength(subject, ['runs of the first method', 'of the second'], first.length, second.length);
  for (const predictions of [...first, ...second]) {
    assertLabelsAndPredictions(subject, labels, predictions, options.classCount);
  }
}

/**
 * Difference of two methods with a percentile interval over resampled posts: both methods, and all their runs, are
 * measured on the same posts drawn with replacement. It covers the choice of test posts, where `pairedDifference`
 * covers the choice of seeds. Source: Efron, "Bootstrap methods: another look at the jackknife" (1979).
 * @throws DataError for empty lists, lengths that differ or an index that is no class; ConfigurationError for options
 * out of range
 */
export function pairedBootstrap(
  labels: ClassIndices,
  first: Runs,
  second: Runs,
  options: BootstrapOptions,
): BootstrapDifference {
  const { random, resamples = 2000, confidence = DEFAULT_CONFIDENCE } = options;
  assertConfidence('pairedBootstrap', confidence);
  check(labels, first, second, options, resamples);
  const differenceOn = (counts: Uint32Array): number =>
    weightedMetric(labels, first, counts, options) - weightedMetric(labels, second, counts, options);
  const counts = new Uint32Array(labels.length);
  const differences = Float64Array.from({ length: resamples }, () => {
    counts.fill(0);
    for (let left = labels.length; left > 0; left--) {
      const post = random.integer(labels.length);
      counts[post] = (counts[post] as number) + 1;
    }
    return differenceOn(counts);
  }).sort();
  const tail = (1 - confidence) / 2;
  const interval = { low: quantile(differences, tail), high: quantile(differences, 1 - tail), confidence };
  return { difference: differenceOn(counts.fill(1)), interval, resamples };
}
