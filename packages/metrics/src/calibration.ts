import { ConfigurationError, refuser } from '@drf/tensor';
import {
  argMax,
  assertClassIndices,
  assertNotEmpty,
  assertSameLength,
  probabilityRows,
  type ClassIndices,
  type Probabilities,
} from './checks.js';

/** One bar of a reliability diagram: posts whose confidence lies in (low, high]; the first bin includes 0. */
export interface ReliabilityBin {
  readonly low: number;
  readonly high: number;
  readonly count: number;
  /** Mean confidence and share of right predictions of the bin's posts; null for an empty bin. */
  readonly confidence: number | null;
  readonly accuracy: number | null;
}

function checkedRows(subject: string, labels: ClassIndices, probabilities: Probabilities, classCount: number) {
  const rows = probabilityRows(subject, probabilities, classCount);
  assertNotEmpty(subject, 'the labels', labels.length);
  assertSameLength(subject, ['labels', 'rows of probabilities'], labels.length, rows.length);
  assertClassIndices(subject, 'labels', labels, classCount);
  return rows;
}

/**
 * Groups posts by confidence (the largest probability) in bins of equal width.
 * @throws DataError as `classificationReport`; ConfigurationError unless there is a whole, positive number of bins
 */
export function reliabilityBins(
  labels: ClassIndices,
  probabilities: Probabilities,
  classCount: number,
  binCount = 15,
): ReliabilityBin[] {
  if (!Number.isSafeInteger(binCount) || binCount < 1) {
    throw refuser(ConfigurationError, 'reliabilityBins')('a whole, positive number of bins', String(binCount));
  }
  const sums = Array.from({ length: binCount }, () => ({ count: 0, confidence: 0, hits: 0 }));
  checkedRows('reliabilityBins', labels, probabilities, classCount).forEach((row, post) => {
    const predicted = argMax(row);
    const confidence = row[predicted] as number;
    const index = Math.min(binCount - 1, Math.max(0, Math.ceil(confidence * binCount) - 1));
    const bin = sums[index] as (typeof sums)[number];
    bin.count += 1;
    bin.confidence += confidence;
    bin.hits += predicted === labels[post] ? 1 : 0;
  });
  return sums.map(({ count, confidence, hits }, index) => ({
    low: index / binCount,
    high: (index + 1) / binCount,
    count,
    confidence: count === 0 ? null : confidence / count,
    accuracy: count === 0 ? null : hits / count,
  }));
}

/**
 * Expected calibration error: mean over posts of |accuracy − confidence| of their bin.
 * Source: Guo, Pleiss, Sun, Weinberger, "On calibration of modern neural networks" (ICML 2017), Eq. 3.
 */
export function calibrationError(bins: readonly ReliabilityBin[]): number {
  const total = bins.reduce((sum, { count }) => sum + count, 0);
  assertNotEmpty('calibrationError', 'the posts', total);
  return bins.reduce(
    (sum, { count, accuracy, confidence }) => sum + (count / total) * Math.abs((accuracy ?? 0) - (confidence ?? 0)),
    0,
  );
}

/** {@link calibrationError} over 15 bins of equal width, unless told otherwise. */
export function expectedCalibrationError(
  labels: ClassIndices,
  probabilities: Probabilities,
  classCount: number,
  binCount = 15,
): number {
  return calibrationError(reliabilityBins(labels, probabilities, classCount, binCount));
}

/**
 * Mean of −ln p(label), in nats. A probability below 2⁻⁵² counts as 2⁻⁵², as in scikit-learn, so that one certain
 * mistake does not make the mean infinite.
 * @throws DataError as `classificationReport`
 */
export function negativeLogLikelihood(labels: ClassIndices, probabilities: Probabilities, classCount: number): number {
  const rows = checkedRows('negativeLogLikelihood', labels, probabilities, classCount);
  const total = rows.reduce((sum, row, post) => {
    const probability = Math.min(1, Math.max(Number.EPSILON, row[labels[post] as number] as number));
    return sum - Math.log(probability);
  }, 0);
  return total / rows.length;
}
