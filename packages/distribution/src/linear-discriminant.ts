import * as tf from '@tensorflow/tfjs';
import { createRandom, hostTensor, named, type Engine, type HostTensor, type Named } from '@drf/tensor';
import { conjugateGradients } from './conjugate-gradients.js';
import { powerOfTwo, type WithinGroups } from './group-moments.js';

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
export async function fitStateDiscriminants(
  engine: Engine,
  { intact, corrupted }: StateMoments,
): Promise<StateDiscriminants> {
  return {
    quality: await fitQuality(engine, intact, corrupted),
    intact: await fitClasses(engine, intact),
    corrupted: await fitClasses(engine, corrupted),
  };
}

/** Discriminants that say nothing. */
export function emptyStateDiscriminants(width: number, classes: number): StateDiscriminants {
  return { quality: constant(width, [0]), intact: silent(width, classes), corrupted: silent(width, classes) };
}

async function fitQuality(engine: Engine, intact: WithinGroups, corrupted: WithinGroups): Promise<LinearDiscriminant> {
  const [own, other] = [pooled(intact), pooled(corrupted)];
  const width = own.mean.length;
  if (own.count === 0 || other.count === 0) return constant(width, [Math.sign(own.count - other.count)]);
  const scatter = own.scatter.map((value, i) => value + (other.scatter[i] as number));
  const covariance = shrunk(scatter, own.count + other.count, QUALITY_SHRINKAGE);
  if (covariance === undefined) return constant(width, [1]);
  const [direction] = (await solve(engine, covariance, [minus(own.mean, other.mean)])) as [Float64Array];
  const center = dot(plus(own.mean, other.mean), direction) / 2;
  return { kernel: columns([direction]), bias: hostTensor([-center], [1]) };
}

/** Random vectors by which a trace is estimated (Hutchinson 1990); its error is far below that of the means. */
const PROBES = 4;

async function fitClasses(engine: Engine, rows: WithinGroups): Promise<LinearDiscriminant> {
  const { counts, means, scatter } = rows;
  const { count, mean } = pooled(rows);
  const width = mean.length;
  const covariance = shrunk(scatter, count, CLASS_SHRINKAGE);
  if (covariance === undefined) return silent(width, counts.length);
  const differences = means.map((own, k) => (counts[k] === 0 ? new Float64Array(width) : minus(own, mean)));
  const random = createRandom('probes');
  const probes = Array.from({ length: PROBES }, () => Float64Array.from({ length: width }, () => 2 * random.integer(2) - 1)); // prettier-ignore
  const solved = await solve(engine, covariance, [...differences, ...probes]);
  const directions = solved.slice(0, counts.length);
  // tr(S′⁻¹·S) = width − ridge · tr(S′⁻¹): the squared distance by which a mean misses the true one through chance, times its rows
  const inverse = probes.reduce((sum, probe, i) => sum + dot(probe, solved[counts.length + i] as Float64Array), 0) / PROBES; // prettier-ignore
  const explained = Math.max(0, width - covariance.ridge * inverse);
  const bias = directions.map((direction, k) => {
    const distance = dot(differences[k] as Float64Array, direction);
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

/** S′ = S + ridge · I, in a unit in which its numbers are about 1: products in 32 bits neither over- nor underflow. */
interface ShrunkCovariance {
  /** S′ / unit, row by row. [width · width] */
  readonly values: Float32Array;
  readonly unit: number;
  readonly ridge: number;
}

/** Nothing for rows that do not differ, or are none. */
function shrunk(scatter: Float64Array, count: number, shrinkage: number): ShrunkCovariance | undefined {
  const width = Math.sqrt(scatter.length);
  let trace = 0;
  for (let i = 0; i < width; i++) trace += scatter[i * (width + 1)] as number;
  const ridge = (shrinkage * trace) / (count * width);
  if (!(ridge > 0)) return undefined;
  const unit = powerOfTwo(trace / (count * width));
  const values = Float32Array.from(scatter, (value, place) => (value / count + (place % (width + 1) === 0 ? ridge : 0)) / unit); // prettier-ignore
  return { values, unit, ridge };
}

type Vectors = Named<['vector', 'width']>;
type Multiplied = { readonly products: Vectors };

/** S′⁻¹·v of each v. [width] */
async function solve(
  engine: Engine,
  { values, unit }: ShrunkCovariance,
  vectors: readonly Float64Array[],
): Promise<Float64Array[]> {
  const width = Math.sqrt(values.length);
  const program =
    await engine.prepare<{ readonly covariance: Named<['width', 'other']> }, { readonly vectors: Vectors }, Multiplied>( // prettier-ignore
      ({ covariance }, inputs) => ({ products: named(tf.matMul(inputs.vectors, covariance), ['vector', 'width']) }), // S′ is symmetric
      { covariance: hostTensor(values, [width, width]) },
    );
  const multiply = async (all: readonly Float64Array[]): Promise<ArrayLike<number>[]> => {
    const data = new Float32Array(vectors.length * width);
    all.forEach((vector, k) => data.set(vector, k * width));
    const { products } = await program.run({ vectors: hostTensor(data, [vectors.length, width]) });
    return all.map((_, k) => products.data.subarray(k * width, (k + 1) * width));
  };
  const sizes = vectors.map((vector) => powerOfTwo(Math.sqrt(dot(vector, vector) / width)));
  try {
    const solved = await conjugateGradients(multiply, vectors.map((vector, k) => vector.map((value) => value / (sizes[k] as number)))); // prettier-ignore
    return solved.map((solution, k) => solution.map((value) => (value * (sizes[k] as number)) / unit));
  } finally {
    await program.dispose();
  }
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
