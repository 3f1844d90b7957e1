import { ConfigurationError, refuser } from '@drf/tensor';
import { assertClassIndices, assertNotEmpty, assertSameLength, probabilityRows } from './checks.js';
import type { ClassIndices, Probabilities } from './checks.js';

/** A temperature and what it does to the posts that it was fitted on. */
export interface TemperatureFit {
  /** Above 1: the model was too sure of itself; below 1: too careful. Exactly 1 where none was fitted. */
  readonly temperature: number;
  /** Mean negative log-likelihood before and after, in nats. */
  readonly before: number;
  readonly after: number;
  /** Posts that it was measured on. */
  readonly posts: number;
  /** Why the temperature is what it is. */
  readonly basis: TemperatureBasis;
}

/**
 * `fitted`; or left at 1, since there were fewer than {@link MINIMUM_POSTS} posts, posts of one class alone, or no best
 * temperature between the bounds of the search.
 */
export type TemperatureBasis = 'fitted' | 'few-posts' | 'one-class' | 'at-bound';

/** Fewer posts say nothing of how sure a model may be: the probabilities are then left as they are. */
export const MINIMUM_POSTS = 30;
/** The prior on log T counts as much as so many posts. */
export const PRIOR_POSTS = 10;
/** Bounds of the search. */
const LOWEST = 0.05;
const HIGHEST = 20;
/** Places between the bounds that are looked at before the best one's surroundings are. */
const GRID = 60;
/** Probabilities of 0 come from float32's underflow. */
const SMALLEST = 1e-30;

/**
 * Probabilities at another temperature: softmax(log p / T). The most probable class stays the most probable.
 * @param row probabilities of one post, [classes]
 * @throws ConfigurationError unless the temperature is a positive number
 */
export function applyTemperature(row: ArrayLike<number>, temperature: number): Float64Array {
  if (!(temperature > 0) || !Number.isFinite(temperature)) {
    throw refuser(ConfigurationError, 'applyTemperature')('a positive temperature', String(temperature));
  }
  const scaled = Float64Array.from(row, (probability) => Math.log(Math.max(probability, SMALLEST)) / temperature);
  const largest = scaled.reduce((a, b) => Math.max(a, b), -Infinity);
  const powers = scaled.map((value) => Math.exp(value - largest));
  const sum = powers.reduce((a, b) => a + b, 0);
  return powers.map((value) => value / sum);
}

/**
 * The temperature that makes held-out posts most likely (Guo, Pleiss, Sun, Weinberger, "On calibration of modern neural
 * networks", ICML 2017), drawn towards 1 by a prior: the sum over the posts of their negative log-likelihood plus
 * ({@link PRIOR_POSTS} / 2)·(log T)², a normal distribution of log T, is the least. A few posts that all are right would
 * otherwise drive T to 0, and probabilities to certainty. With fewer than {@link MINIMUM_POSTS} posts, posts of a single
 * class, or a minimum at a bound of the search (0.05, 20), T stays 1, and `basis` says why.
 *
 * In log T the sum may have more than one valley, so a grid finds the deepest, and a golden-section search its floor.
 * @param labels class index of each post
 * @throws DataError as `classificationReport`
 */
export function fitTemperature(labels: ClassIndices, probabilities: Probabilities, classCount: number): TemperatureFit {
  const subject = 'fitTemperature';
  const rows = probabilityRows(subject, probabilities, classCount);
  assertNotEmpty(subject, 'the labels', labels.length);
  assertSameLength(subject, ['labels', 'rows of probabilities'], labels.length, rows.length);
  assertClassIndices(subject, 'labels', labels, classCount);
  const posts = rows.length;
  const logs = rows.map((row) => Float64Array.from(row, (value) => Math.log(Math.max(value, SMALLEST))));
  const loss = (inverse: number): number =>
    logs.reduce((sum, row, post) => sum + surprise(row, labels[post] as number, inverse), 0) / posts;
  const before = loss(1);
  const kept = (basis: TemperatureBasis): TemperatureFit => ({ temperature: 1, before, after: before, posts, basis });
  if (posts < MINIMUM_POSTS) return kept('few-posts');
  if (new Set(Array.from(labels)).size === 1) return kept('one-class');
  const penalized = (logT: number): number => loss(Math.exp(-logT)) + (PRIOR_POSTS / 2 / posts) * logT * logT;
  const [low, high] = [Math.log(LOWEST), Math.log(HIGHEST)];
  const step = (high - low) / GRID;
  const values = Array.from({ length: GRID + 1 }, (_, i) => penalized(low + i * step));
  const deepest = values.indexOf(values.reduce((a, b) => Math.min(a, b), Infinity));
  if (deepest === 0 || deepest === GRID) return kept('at-bound');
  const logT = goldenSection(penalized, low + (deepest - 1) * step, low + (deepest + 1) * step);
  return { temperature: Math.exp(logT), before, after: loss(Math.exp(-logT)), posts, basis: 'fitted' };
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
