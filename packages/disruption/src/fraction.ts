import { ConfigurationError, type Random } from '@drf/tensor';

/** A disruption's fraction is drawn uniformly from here. */
export const FRACTION_RANGE = { low: 0.4, high: 0.8 } as const;

export function drawFraction(random: Random): number {
  return random.uniform(FRACTION_RANGE.low, FRACTION_RANGE.high);
}

/** @throws ConfigurationError unless the fraction lies in 0 … 1. */
export function assertFraction(subject: string, fraction: number): void {
  if (!(fraction >= 0 && fraction <= 1)) {
    throw new ConfigurationError({ subject, expected: 'a fraction from 0 to 1', received: String(fraction) });
  }
}
