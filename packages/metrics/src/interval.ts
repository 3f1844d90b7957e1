import { ConfigurationError } from '@drf/tensor';

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
