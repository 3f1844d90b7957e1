import { assertFinite, ConfigurationError, DataError, type Random } from '@drf/tensor';
import { assertLabelsAndPredictions, assertNotEmpty, assertSameLength, type ClassIndices } from './checks.js';
import { assertConfidence, DEFAULT_CONFIDENCE, type Interval } from './interval.js';
import { quantile } from './quantiles.js';
import { METRICS, noCounts, type ClassCounts, type MetricName } from './scores.js';

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
    const byClass = noCounts(classCount); // a confusion matrix would grow by the square of the classes
    for (let post = 0; post < labels.length; post++) {
      const times = counts[post] as number;
      const [truth, answer] = [labels[post] as number, predictions[post] as number];
      const own = byClass[truth] as ClassCounts;
      own.support += times;
      if (truth === answer) own.hits += times;
      (byClass[answer] as ClassCounts).predicted += times;
    }
    total += METRICS[metric](byClass);
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

/** How seeds are resampled. */
export interface SeedBootstrapOptions {
  readonly random: Random;
  /** Default: 10,000. */
  readonly resamples?: number;
  /** Default: 0.95. */
  readonly confidence?: number;
}

/** Accuracy of the first method less that of the second, over seeds and posts. */
export interface SeedBootstrapDifference {
  /** On the seeds and posts as they are. */
  readonly difference: number;
  readonly interval: Interval;
  /** Two-sided; not below 2 / (resamples + 1). */
  readonly pValue: number;
  readonly resamples: number;
}

/**
 * Difference in accuracy of two methods with a percentile interval over seeds and posts at once: seeds are drawn with
 * replacement, then posts, and both methods are measured on what was drawn. Place s of both lists is the same seed,
 * place i of each the same post under the same disruption. It covers what `pairedDifference` (seeds alone) and
 * `pairedBootstrap` (posts alone) cover one by one. Few seeds cannot show how much seeds differ, so with fewer than
 * about five the interval is too narrow.
 * Source: Efron and Tibshirani, "An Introduction to the Bootstrap" (1993), chapters 8 (several sources of variation) and
 * 16 (p-values).
 * @throws DataError for empty lists or lengths that differ; ConfigurationError for options out of range
 */
export function pairedSeedBootstrap(
  labels: ClassIndices,
  first: readonly ClassIndices[],
  second: readonly ClassIndices[],
  options: SeedBootstrapOptions,
): SeedBootstrapDifference {
  return pairedGainBootstrap(gainsOf('pairedSeedBootstrap', labels, first, second), options);
}

/**
 * The same interval for any gain of one method over another: a number for each seed and post, such as the mean over
 * several tests of the same post.
 * @param gains place s is a seed, place i of each a post
 * @throws DataError for empty lists or lengths that differ; NonFiniteError; ConfigurationError for options out of range
 */
export function pairedGainBootstrap(
  gains: readonly ArrayLike<number>[],
  { random, resamples = 10_000, confidence = DEFAULT_CONFIDENCE }: SeedBootstrapOptions,
): SeedBootstrapDifference {
  const subject = 'pairedSeedBootstrap';
  assertConfidence(subject, confidence);
  if (!Number.isSafeInteger(resamples) || resamples < 100) {
    throw new ConfigurationError({ subject, expected: 'at least 100 resamples', received: String(resamples) });
  }
  const [seeds, posts] = [gains.length, gains[0]?.length ?? 0];
  assertNotEmpty(subject, 'the gains', posts);
  for (const own of gains) {
    assertSameLength(subject, ['posts of the first seed', 'of another'], posts, own.length);
    assertFinite(subject, own);
  }
  const byPost = new Float64Array(posts);
  const drawnDifference = (): number => {
    byPost.fill(0);
    for (let draw = 0; draw < seeds; draw++) {
      const own = gains[random.integer(seeds)] as ArrayLike<number>;
      for (let post = 0; post < posts; post++) byPost[post] = (byPost[post] as number) + (own[post] as number);
    }
    let sum = 0;
    for (let draw = 0; draw < posts; draw++) sum += byPost[random.integer(posts)] as number;
    return sum / (seeds * posts);
  };
  const drawn = Float64Array.from({ length: resamples }, drawnDifference).sort();
  const tail = (1 - confidence) / 2;
  const atMost = (count: (value: number) => boolean): number => drawn.filter(count).length + 1;
  const smaller = Math.min(
    atMost((value) => value <= 0),
    atMost((value) => value >= 0),
  );
  const total = gains.reduce((sum, own) => sum + Array.from(own).reduce((part, gain) => part + gain, 0), 0);
  return {
    difference: total / (seeds * posts),
    interval: { low: quantile(drawn, tail), high: quantile(drawn, 1 - tail), confidence },
    pValue: Math.min(1, (2 * smaller) / (resamples + 1)),
    resamples,
  };
}

/** Per seed and post: 1 where only the first method is right, −1 where only the second is, else 0. */
function gainsOf(
  subject: string,
  labels: ClassIndices,
  first: readonly ClassIndices[],
  second: readonly ClassIndices[],
): Int8Array[] {
  assertNotEmpty(subject, 'the labels', labels.length);
  assertNotEmpty(subject, "the first method's seeds", first.length);
  assertSameLength(subject, ['seeds of the first method', 'of the second'], first.length, second.length);
  return first.map((predictions, seed) => {
    const others = second[seed];
    if (others === undefined) throw new DataError({ subject, expected: 'the same seeds', received: 'fewer' });
    assertSameLength(subject, ['labels', 'predictions of the first method'], labels.length, predictions.length);
    assertSameLength(subject, ['labels', 'predictions of the second method'], labels.length, others.length);
    return Int8Array.from({ length: labels.length }, (_, post) => {
      const right = (answers: ClassIndices): number => (answers[post] === labels[post] ? 1 : 0);
      return right(predictions) - right(others);
    });
  });
}
