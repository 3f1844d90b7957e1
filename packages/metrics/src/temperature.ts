import { ConfigurationError } from '@drf/tensor';
import { assertClassIndices, assertNotEmpty, assertSameLength, probabilityRows } from './checks.js';
import type { ClassIndices, Probabilities } from './checks.js';

/** A temperature and what it does to the posts that it was fitted on. */
export interface TemperatureFit {
  /** Above 1: the model was too sure of itself; below 1: too careful. */
  readonly temperature: number;
  /** Mean negative log-likelihood before and after, in nats. */
  readonly before: number;
  readonly after: number;
}

/** Beyond these a split is too small or too easy to say more: all right, or no better than chance. */
const LOWEST = 0.05;
const HIGHEST = 20;
/** Probabilities of 0 come from float32's underflow. */
const SMALLEST = 1e-30;

/**
 * Probabilities at another temperature: softmax(log p / T). The most probable class stays the most probable.
 * @param row probabilities of one post, [classes]
 * @throws ConfigurationError unless the temperature is a positive number
 */
export function applyTemperature(row: ArrayLike<number>, temperature: number): Float64Array {
  if (!(temperature > 0) || !Number.isFinite(temperature)) {
    throw new ConfigurationError({
      subject: 'applyTemperature',
      expected: 'a positive temperature',
      received: String(temperature),
    });
  }
  const scaled = Float64Array.from(row, (probability) => Math.log(Math.max(probability, SMALLEST)) / temperature);
  const largest = scaled.reduce((a, b) => Math.max(a, b), -Infinity);
  const powers = scaled.map((value) => Math.exp(value - largest));
  const sum = powers.reduce((a, b) => a + b, 0);
  return powers.map((value) => value / sum);
}

/**
 * The temperature that makes held-out posts most likely (Guo, Pleiss, Sun, Weinberger, "On calibration of modern neural
 * networks", ICML 2017). The negative log-likelihood is convex in 1/T, so a golden-section search finds its minimum;
 * it stays within 0.05 and 20, where a few posts that are all right would drive it to 0.
 * @param labels class index of each post
 * @throws DataError as `classificationReport`
 */
export function fitTemperature(labels: ClassIndices, probabilities: Probabilities, classCount: number): TemperatureFit {
  const subject = 'fitTemperature';
  const rows = probabilityRows(subject, probabilities, classCount);
  assertNotEmpty(subject, 'the labels', labels.length);
  assertSameLength(subject, ['labels', 'rows of probabilities'], labels.length, rows.length);
  assertClassIndices(subject, 'labels', labels, classCount);
  const logs = rows.map((row) => Float64Array.from(row, (value) => Math.log(Math.max(value, SMALLEST))));
  const loss = (inverse: number): number =>
    logs.reduce((sum, row, post) => sum + surprise(row, labels[post] as number, inverse), 0) / logs.length;
  const inverse = goldenSection(loss, 1 / HIGHEST, 1 / LOWEST);
  return { temperature: 1 / inverse, before: loss(1), after: loss(inverse) };
}

/** −log softmax(inverse · log p)[label] */
function surprise(logs: Float64Array, label: number, inverse: number): number {
  let largest = -Infinity;
  for (const value of logs) largest = Math.max(largest, value * inverse);
  let sum = 0;
  for (const value of logs) sum += Math.exp(value * inverse - largest);
  return Math.log(sum) + largest - (logs[label] as number) * inverse;
}

/** Minimum of a function with one valley, to about 1e-6 of the interval. */
function goldenSection(compute: (x: number) => number, low: number, high: number): number {
  const ratio = (Math.sqrt(5) - 1) / 2;
  let [a, b] = [low, high];
  let [c, d] = [b - ratio * (b - a), a + ratio * (b - a)];
  let [atC, atD] = [compute(c), compute(d)];
  while (b - a > 1e-6 * (high - low)) {
    if (atC <= atD) {
      [b, d, atD] = [d, c, atC];
      c = b - ratio * (b - a);
      atC = compute(c);
    } else {
      [a, c, atC] = [c, d, atD];
      d = a + ratio * (b - a);
      atD = compute(d);
    }
  }
  return (a + b) / 2;
}
