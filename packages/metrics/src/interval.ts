import { ConfigurationError, DataError } from '@drf/tensor';
import { normalCritical } from './distributions.js';

/**
 * Interval of a share, such as an accuracy of `successes` right out of `total` posts. Unlike mean ± margin it stays
 * within 0 … 1 and holds for few posts. Source: Wilson, "Probable inference, the law of succession, and statistical
 * inference" (JASA 1927), without continuity correction.
 * @throws DataError unless 0 ≤ successes ≤ total are whole and total ≥ 1; ConfigurationError for a bad confidence
 */
export function wilsonInterval(successes: number, total: number, confidence = DEFAULT_CONFIDENCE): Interval {
  assertConfidence('wilsonInterval', confidence);
  const whole = Number.isSafeInteger(successes) && Number.isSafeInteger(total);
  if (!whole || total < 1 || successes < 0 || successes > total) {
    throw new DataError({
      subject: 'wilsonInterval',
      expected: 'whole counts with 0 ≤ successes ≤ total and total ≥ 1',
      received: `${successes} of ${total}`,
    });
  }
  const z = normalCritical(confidence);
  const share = successes / total;
  const denominator = 1 + (z * z) / total;
  const center = (share + (z * z) / (2 * total)) / denominator;
  const margin = (z / denominator) * Math.sqrt((share * (1 - share)) / total + (z * z) / (4 * total * total));
  // rounding must not move the ends off 0 and 1 where they stand there exactly
  const low = successes === 0 ? 0 : center - margin;
  return { low, high: successes === total ? 1 : center + margin, confidence };
}

/** An interval that holds the true value in the given share of repetitions. */
export interface Interval {
  readonly low: number;
  readonly high: number;
  /** Such as 0.95. */
  readonly confidence: number;
}

/** Of intervals, unless told otherwise. */
export const DEFAULT_CONFIDENCE = 0.95;

/** @throws ConfigurationError unless the confidence lies between 0 and 1 */
export function assertConfidence(subject: string, confidence: number): void {
  if (!(confidence > 0 && confidence < 1)) {
    throw new ConfigurationError({
      subject,
      expected: 'a confidence between 0 and 1',
      received: String(confidence),
      remedy: 'write 0.95 for 95 %',
    });
  }
}

/** [center − margin, center + margin]. */
export function around(center: number, margin: number, confidence: number): Interval {
  return { low: center - margin, high: center + margin, confidence };
}
