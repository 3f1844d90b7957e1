import { assertFinite, DataError } from '@drf/tensor';

/** One point of a robustness curve: a metric at a disruption ratio dr. */
export interface CurvePoint {
  readonly ratio: number;
  readonly value: number;
}

/**
 * Area under a robustness curve by the trapezoid rule, divided by the range of ratios: the mean value over the ratios
 * covered, comparable where the ratios are the same. Points may come in any order.
 * @throws DataError for fewer than two points or a ratio twice; NonFiniteError naming a NaN
 */
export function robustnessArea(points: readonly CurvePoint[]): number {
  const subject = 'robustnessArea';
  assertFinite(
    subject,
    points.flatMap(({ ratio, value }) => [ratio, value]),
  );
  if (points.length < 2) {
    throw new DataError({ subject, expected: 'at least two points', received: String(points.length) });
  }
  const sorted = [...points].sort((a, b) => a.ratio - b.ratio);
  let area = 0;
  for (let i = 1; i < sorted.length; i++) {
    const [left, right] = [sorted[i - 1] as CurvePoint, sorted[i] as CurvePoint];
    if (left.ratio === right.ratio) {
      throw new DataError({ subject, expected: 'each ratio once', received: `${left.ratio} twice` });
    }
    area += ((left.value + right.value) / 2) * (right.ratio - left.ratio);
  }
  return area / ((sorted.at(-1) as CurvePoint).ratio - (sorted[0] as CurvePoint).ratio);
}
