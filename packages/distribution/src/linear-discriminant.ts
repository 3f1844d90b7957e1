import { CholeskyDecomposition, Matrix } from 'ml-matrix';
import { createRandom, hostTensor, type HostTensor } from '@drf/tensor';
import type { WithinGroups } from './group-moments.js';

/** Affine scores of features f [width]: f·kernel + bias → [group]. */
export type LinearDiscriminant<Leaf = HostTensor> = {
  /** [width, group] */
  readonly kernel: Leaf;
  /** [group] */
  readonly bias: Leaf;
};

/** What one modality's encoder outputs say of their state and, state by state, of the class. */
export type StateDiscriminants<Leaf = HostTensor> = {
  /** log N(f; intact) − log N(f; corrupted), one group: above 0 where f looks intact. */
  readonly quality: LinearDiscriminant<Leaf>;
  /** log N(f; class k) − log N(f; any class) of intact outputs. */
  readonly intact: LinearDiscriminant<Leaf>;
  /** The same of corrupted ones. */
  readonly corrupted: LinearDiscriminant<Leaf>;
};

/** Rows by class, gathered by `GroupMoments`, of both states. */
export interface StateMoments {
  readonly intact: WithinGroups;
  readonly corrupted: WithinGroups;
}

/** How much of the mean variance is added to every direction's: few rows say little of most directions. */
const QUALITY_SHRINKAGE = 0.1;
const CLASS_SHRINKAGE = 2;

/**
 * Fits Gaussians with a shared covariance (linear discriminant analysis): intact against corrupted rows, and in either
 * state each class against all. Covariances are shrunk to a multiple of the identity, S + c · tr(S)/width · I (Friedman,
 * "Regularized discriminant analysis", 1989); how far the mean of a class lies from that of all is shrunk by what chance
 * alone explains (positive-part James-Stein), so that few posts say little.
 *
 * What has no rows says nothing: scores are 0, and with one state alone quality is 1 or −1 for all.
 */
export function fitStateDiscriminants({ intact, corrupted }: StateMoments): StateDiscriminants {
  return { quality: fitQuality(intact, corrupted), intact: fitClasses(intact), corrupted: fitClasses(corrupted) };
}

/** Discriminants that say nothing. */
export function emptyStateDiscriminants(width: number, classes: number): StateDiscriminants {
  return { quality: constant(width, [0]), intact: silent(width, classes), corrupted: silent(width, classes) };
}

function fitQuality(intact: WithinGroups, corrupted: WithinGroups): LinearDiscriminant {
  const [own, other] = [pooled(intact), pooled(corrupted)];
  const width = own.mean.length;
  if (own.count === 0 || other.count === 0) return constant(width, [Math.sign(own.count - other.count)]);
  const scatter = own.scatter.map((value, i) => value + (other.scatter[i] as number));
  const covariance = shrunk(scatter, own.count + other.count, QUALITY_SHRINKAGE);
  if (covariance === undefined) return constant(width, [1]);
  const difference = minus(own.mean, other.mean);
  const [direction] = covariance.solve([difference]) as [Float64Array];
  const center = dot(plus(own.mean, other.mean), direction) / 2;
  return { kernel: columns([direction]), bias: hostTensor([-center], [1]) };
}

function fitClasses(rows: WithinGroups): LinearDiscriminant {
  const { counts, means, scatter } = rows;
  const { count, mean } = pooled(rows);
  const width = mean.length;
  const covariance = shrunk(scatter, count, CLASS_SHRINKAGE);
  if (covariance === undefined) return silent(width, counts.length);
  const differences = means.map((own, k) => (counts[k] === 0 ? new Float64Array(width) : minus(own, mean)));
  const directions = covariance.solve(differences);
  const explained = covariance.explained();
  const bias = directions.map((direction, k) => {
    const difference = differences[k] as Float64Array;
    const distance = dot(difference, direction);
    const byChance = explained * (1 / (counts[k] as number) - 1 / count);
    const kept = distance > byChance ? 1 - byChance / distance : 0; // also of a class without rows
    for (let i = 0; i < width; i++) direction[i] = kept * (direction[i] as number);
    return -dot(mean, direction) - (kept * kept * distance) / 2;
  });
  return { kernel: columns(directions), bias: hostTensor(bias, [bias.length]) };
}

/** All rows as one group. */
function pooled({ counts, means, scatter }: WithinGroups): {
  count: number;
  mean: Float64Array;
  scatter: Float64Array;
} {
  const count = counts.reduce((sum, own) => sum + own, 0);
  const width = means[0]?.length ?? 0;
  const mean = new Float64Array(width);
  means.forEach((own, k) => {
    for (let i = 0; i < width && count > 0; i++) mean[i]! += ((counts[k] as number) * (own[i] as number)) / count;
  });
  const whole = Float64Array.from(scatter);
  means.forEach((own, k) => {
    if (counts[k] === 0) return;
    const offset = minus(own, mean);
    for (let i = 0; i < width; i++) {
      const scaled = (counts[k] as number) * (offset[i] as number);
      for (let j = 0; j < width; j++) whole[i * width + j]! += scaled * (offset[j] as number);
    }
  });
  return { count, mean, scatter: whole };
}

/** A covariance that can be divided by. */
interface Covariance {
  /** S′⁻¹·v of each v. [width] */
  solve(vectors: readonly Float64Array[]): Float64Array[];
  /** tr(S′⁻¹·S): the squared distance by which a mean misses the true one through chance, times its rows. */
  explained(): number;
}

/** Random vectors by which a trace is estimated (Hutchinson 1990); its error is far below that of the means. */
const PROBES = 16;

/** Nothing for rows that do not differ, or are none. */
function shrunk(scatter: Float64Array, count: number, shrinkage: number): Covariance | undefined {
  const width = Math.sqrt(scatter.length);
  let trace = 0;
  for (let i = 0; i < width; i++) trace += scatter[i * (width + 1)] as number;
  const ridge = (shrinkage * trace) / (count * width);
  if (!(ridge > 0)) return undefined;
  const matrix = new Matrix(width, width);
  for (let i = 0; i < width; i++) {
    for (let j = 0; j < i; j++) {
      const value = (scatter[i * width + j] as number) / count; // its mirror image differs by rounding
      matrix.set(i, j, value);
      matrix.set(j, i, value);
    }
    matrix.set(i, i, (scatter[i * (width + 1)] as number) / count + ridge);
  }
  const factor = new CholeskyDecomposition(matrix);
  const solve = (vectors: readonly Float64Array[]): Float64Array[] => {
    const solved = factor.solve(new Matrix(vectors.map((vector) => Array.from(vector))).transpose());
    return vectors.map((_, k) => Float64Array.from(solved.getColumn(k)));
  };
  const explained = (): number => {
    const random = createRandom('hutchinson');
    const probes = Array.from({ length: PROBES }, () => Float64Array.from({ length: width }, () => 2 * random.integer(2) - 1)); // prettier-ignore
    const inverse = solve(probes).reduce((sum, solved, k) => sum + dot(solved, probes[k] as Float64Array), 0) / PROBES;
    return Math.max(0, width - ridge * inverse);
  };
  return { solve, explained };
}

function columns(vectors: readonly Float64Array[]): HostTensor {
  const [first] = vectors as [Float64Array];
  const data = new Float32Array(first.length * vectors.length);
  vectors.forEach((vector, k) => vector.forEach((value, i) => (data[i * vectors.length + k] = value)));
  return hostTensor(data, [first.length, vectors.length]);
}

function constant(width: number, scores: readonly number[]): LinearDiscriminant {
  const kernel = hostTensor(new Float32Array(width * scores.length), [width, scores.length]);
  return { kernel, bias: hostTensor(scores, [scores.length]) };
}

function silent(width: number, groups: number): LinearDiscriminant {
  return constant(width, new Array<number>(groups).fill(0));
}

function plus(a: Float64Array, b: Float64Array): Float64Array {
  return a.map((value, i) => value + (b[i] as number));
}

function minus(a: Float64Array, b: Float64Array): Float64Array {
  return a.map((value, i) => value - (b[i] as number));
}

function dot(a: Float64Array, b: Float64Array): number {
  return a.reduce((sum, value, i) => sum + value * (b[i] as number), 0);
}
