import { Matrix, inverse } from 'ml-matrix';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createEngine } from '@drf/engine';
import { createRandom, hostTensor, type Engine, type HostTensor } from '@drf/tensor';
import {
  emptyStateDiscriminants,
  fitStateDiscriminants,
  GroupMoments,
  type LinearDiscriminant,
  type WithinGroups,
} from './index.js';

let engine: Engine;
beforeAll(async () => void (engine = await createEngine('eager:cpu')));
afterAll(() => engine.dispose());

const WIDTH = 5;

interface Rows {
  readonly values: number[][];
  readonly groups: number[];
}

/** Rows about a mean of their group, far from 0; deviations differ by direction. */
function makeRows(count: number, spread: number, seed: number, shift = 100): Rows {
  const random = createRandom(seed);
  const groups = Array.from({ length: count }, (_, row) => row % 3);
  const values = groups.map((group) =>
    Array.from({ length: WIDTH }, (_, i) => shift + (i === group ? spread : 0) + (1 + i) * random.normal()),
  );
  return { values, groups };
}

const tensorOf = (values: readonly number[][]): HostTensor => hostTensor(values.flat(), [values.length, WIDTH]);

async function momentsOf({ values, groups }: Rows, part = values.length): Promise<WithinGroups> {
  const moments = await GroupMoments.create(engine, { width: WIDTH, groups: 3 });
  for (let start = 0; start < values.length; start += part) {
    await moments.add(tensorOf(values.slice(start, start + part)), groups.slice(start, start + part));
  }
  const within = moments.within();
  await moments.dispose();
  return within;
}

/** Means and scatter by loops. */
function slowly({ values, groups }: Rows): { means: number[][]; scatter: Matrix } {
  const means = [0, 1, 2].map((group) => {
    const own = values.filter((_, row) => groups[row] === group);
    return Array.from({ length: WIDTH }, (_, i) => own.reduce((sum, row) => sum + (row[i] as number), 0) / own.length);
  });
  const centered = new Matrix(values.map((row, r) => row.map((value, i) => value - (means[groups[r] as number]?.[i] as number)))); // prettier-ignore
  return { means, scatter: centered.transpose().mmul(centered) };
}

const scoreOf = ({ kernel, bias }: LinearDiscriminant, row: readonly number[], group: number): number => {
  const groups = kernel.shape[1] as number;
  const products = row.map((value, i) => value * (kernel.data[i * groups + group] as number));
  return products.reduce((sum, value) => sum + value, bias.data[group] as number);
};

describe('GroupMoments', () => {
  it('gives the means of groups and the scatter within them, however the rows come', async () => {
    const rows = makeRows(700, 3, 1);
    const { means, scatter } = slowly(rows);
    for (const part of [700, 64, 1]) {
      const within = await momentsOf({ ...rows, ...(part === 1 ? firstRows(rows, 40) : {}) }, part);
      const due = part === 1 ? slowly(firstRows(rows, 40)) : { means, scatter };
      expect([...within.counts]).toEqual(part === 1 ? [14, 13, 13] : [234, 233, 233]);
      within.means.forEach((mean, k) => mean.forEach((value, i) => expect(value).toBeCloseTo(due.means[k]?.[i] as number, 4))); // prettier-ignore
      const size = Math.max(...due.scatter.to1DArray().map(Math.abs));
      within.scatter.forEach((value, i) =>
        expect(Math.abs(value - (due.scatter.to1DArray()[i] as number)) / size).toBeLessThan(1e-4),
      );
    }
  });

  it('counts nothing of rows that are not there', async () => {
    const within = await momentsOf({ values: [], groups: [] });
    expect([[...within.counts], [...within.scatter]]).toEqual([[0, 0, 0], new Array(25).fill(0)]);
  });

  it('refuses rows of another width', async () => {
    const moments = await GroupMoments.create(engine, { width: 4, groups: 3 });
    await expect(moments.add(tensorOf([[1, 2, 3, 4, 5]]), [0])).rejects.toThrow(
      'GroupMoments.add rows expected [1, 4]',
    );
    await moments.dispose();
  });
});

function firstRows({ values, groups }: Rows, count: number): Rows {
  return { values: values.slice(0, count), groups: groups.slice(0, count) };
}

describe('fitStateDiscriminants', () => {
  it('scores by the ratio of Gaussian densities of a shared covariance', async () => {
    const rows = makeRows(6000, 8, 2);
    const other = makeRows(600, 8, 3, 90);
    const { intact, quality } = await fitStateDiscriminants(engine, { intact: await momentsOf(rows), corrupted: await momentsOf(other) }); // prettier-ignore
    const { means, scatter } = slowly(rows);
    const covariance = Matrix.mul(scatter, 1 / 6000);
    const trace = covariance.trace();
    const precision = inverse(Matrix.add(covariance, Matrix.eye(WIDTH).mul((2 * trace) / WIDTH)));
    const mean = means[0]?.map((_, i) => means.reduce((sum, own) => sum + (own[i] as number), 0) / 3) as number[];
    const logDensity = (row: readonly number[], about: readonly number[]): number => {
      const offset = Matrix.columnVector(row.map((value, i) => value - (about[i] as number)));
      return -offset.transpose().mmul(precision).mmul(offset).get(0, 0) / 2;
    };
    for (const row of rows.values.slice(0, 20)) {
      for (const group of [0, 1, 2]) {
        const due = logDensity(row, means[group] as number[]) - logDensity(row, mean);
        expect(Math.abs(scoreOf(intact, row, group) - due)).toBeLessThan(0.02 + 0.02 * Math.abs(due)); // many rows: hardly shrunk
      }
    }
    const isIntact = (row: readonly number[]): boolean => scoreOf(quality, row, 0) > 0;
    expect(rows.values.filter(isIntact).length / 6000).toBeGreaterThan(0.9);
    expect(other.values.filter(isIntact).length / 600).toBeLessThan(0.1);
  });

  it('says nothing of classes that differ by chance alone', async () => {
    const drawn = await Promise.all(
      Array.from({ length: 20 }, async (_, seed) => momentsOf(makeRows(30, 0, 100 + seed, 0))),
    );
    const fitted = await Promise.all(
      drawn.map((own) => fitStateDiscriminants(engine, { intact: own, corrupted: own })),
    );
    const sizes = fitted.flatMap(({ intact: { kernel } }) => {
      return [0, 1, 2].map((group) => Math.max(...Array.from({ length: WIDTH }, (_, i) => Math.abs(kernel.data[3 * i + group] as number)))); // prettier-ignore
    });
    expect(sizes.filter((size) => size === 0).length).toBeGreaterThan(20); // of 60
    expect(Math.max(...sizes)).toBeLessThan(0.2);
  });

  it('says nothing where there are no rows, or no differences', async () => {
    const none = await momentsOf({ values: [], groups: [] });
    const empty = emptyStateDiscriminants(WIDTH, 3);
    expect(await fitStateDiscriminants(engine, { intact: none, corrupted: none })).toEqual(empty);
    const same = await momentsOf({ values: [1, 2, 3].map(() => [1, 1, 1, 1, 1]), groups: [0, 1, 2] });
    const { quality, ...classes } = await fitStateDiscriminants(engine, { intact: same, corrupted: none });
    expect(classes).toEqual({ intact: empty.intact, corrupted: empty.corrupted });
    expect(quality.bias.data).toEqual(Float32Array.of(1));
    expect((await fitStateDiscriminants(engine, { intact: none, corrupted: same })).quality.bias.data).toEqual(
      Float32Array.of(-1),
    );
  });

  it.each([1e-18, 1e-9, 1e9, 1e17])('scores alike whatever the unit of the features: %d', async (unit) => {
    const of = async (scale: number) => {
      const scaled = ({ values, groups }: Rows): Rows => ({ values: values.map((row) => row.map((value) => Math.fround(scale * value))), groups }); // prettier-ignore
      const [rows, other] = [scaled(makeRows(300, 8, 6, 0)), scaled(makeRows(300, 8, 7, 5))];
      const fitted = await fitStateDiscriminants(engine, { intact: await momentsOf(rows), corrupted: await momentsOf(other) }); // prettier-ignore
      const row = rows.values[0] as number[];
      return [scoreOf(fitted.quality, row, 0), scoreOf(fitted.intact, row, 0), scoreOf(fitted.corrupted, row, 2)];
    };
    const [due, received] = [await of(1), await of(unit)];
    expect(Math.abs(due[0] as number)).toBeGreaterThan(0.1);
    received.forEach((score, i) => expect(score).toBeCloseTo(due[i] as number, 3));
  });

  it('has a score of 0 for a class without rows', async () => {
    const { values, groups } = makeRows(300, 8, 5);
    const places = groups.flatMap((group, row) => (group === 2 ? [] : [row]));
    const two = await momentsOf({ values: places.map((row) => values[row] as number[]), groups: places.map((row) => groups[row] as number) }); // prettier-ignore
    const { intact } = await fitStateDiscriminants(engine, { intact: two, corrupted: two });
    expect(scoreOf(intact, values[0] as number[], 2)).toBe(0);
    expect(scoreOf(intact, values[0] as number[], 0)).not.toBe(0);
  });
});
