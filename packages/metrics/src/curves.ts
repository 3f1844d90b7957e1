import { assertFinite, DataError } from '@drf/tensor';
import { assertSameLength } from './checks.js';

/**
 * Area under the receiver operating characteristic: the probability that a positive scores above a negative, where a
 * tie counts half (the Mann-Whitney statistic from mid-ranks). 0.5 is chance. Scores may be infinite.
 *
 * For "how well does low quality find the corrupted modality", give −quality as score.
 * @throws DataError for lists that differ in length, a NaN score, or posts of one kind only
 */
export function auroc(scores: ArrayLike<number>, isPositive: ArrayLike<boolean>): number {
  const subject = 'auroc';
  assertSameLength(subject, ['scores', 'truth values'], scores.length, isPositive.length);
  const order = Array.from(scores, (score, index) => ({ score, positive: isPositive[index] === true, index }));
  const invalid = order.find(({ score }) => Number.isNaN(score));
  if (invalid) throw new DataError({ subject, expected: 'scores', received: `NaN at place ${invalid.index}` });
  const positives = order.filter(({ positive }) => positive).length;
  const negatives = order.length - positives;
  if (positives === 0 || negatives === 0) {
    throw new DataError({
      subject,
      expected: 'at least one positive and one negative',
      received: `${positives} and ${negatives}`,
      remedy: 'leave the figure out where only one kind occurs',
    });
  }
  order.sort((a, b) => (a.score < b.score ? -1 : a.score > b.score ? 1 : 0)); // a − b is NaN between infinities
  let rankSum = 0;
  for (let start = 0; start < order.length;) {
    let end = start;
    while (end < order.length && order[end]?.score === order[start]?.score) end++;
    const midRank = (start + 1 + end) / 2; // of the tied ranks start + 1 … end
    for (let i = start; i < end; i++) if (order[i]?.positive) rankSum += midRank;
    start = end;
  }
  return (rankSum - (positives * (positives + 1)) / 2) / (positives * negatives);
}

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
