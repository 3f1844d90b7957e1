import { ConfigurationError } from '@drf/tensor';
import { incompleteBeta } from './beta.js';

function assertDegrees(subject: string, degrees: number): void {
  if (!(degrees >= 1 && Number.isFinite(degrees))) {
    throw new ConfigurationError({ subject, expected: 'at least one degree of freedom', received: String(degrees) });
  }
}

/**
 * P(|T| > |t|) for Student's t with `degrees` of freedom: the p-value of a two-sided t test.
 * I_x(ν/2, 1/2) at x = ν/(ν + t²) (DLMF 8.17).
 * @throws ConfigurationError for less than one degree of freedom
 */
export function studentTwoSided(t: number, degrees: number): number {
  assertDegrees('studentTwoSided', degrees);
  if (!Number.isFinite(t)) return Number.isNaN(t) ? Number.NaN : 0;
  const square = t * t;
  return incompleteBeta(degrees / (degrees + square), degrees / 2, 0.5, square / (degrees + square));
}

/**
 * The t with P(|T| ≤ t) = confidence, which a `confidence` interval takes times the standard error: 12.706 for 95 % and
 * one degree of freedom, toward 1.960 for many. By bisection, to the last digits.
 * @throws ConfigurationError for less than one degree of freedom or a confidence outside 0 … 1
 */
export function studentCritical(confidence: number, degrees: number): number {
  assertDegrees('studentCritical', degrees);
  if (!(confidence >= 0 && confidence < 1)) {
    throw new ConfigurationError({
      subject: 'studentCritical',
      expected: 'a confidence from 0 to below 1',
      received: String(confidence),
    });
  }
  const tail = 1 - confidence;
  let low = 0;
  let high = 1;
  while (studentTwoSided(high, degrees) > tail) [low, high] = [high, high * 2];
  for (;;) {
    const middle = (low + high) / 2;
    if (middle <= low || middle >= high) return middle;
    if (studentTwoSided(middle, degrees) > tail) low = middle;
    else high = middle;
  }
}
