import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openExperimentData } from '@drf/experiment';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { openStore } from '../store/connection.js';
import { ResultStore } from '../store/result-store.js';
import type { GridOutcome } from './run-grid.js';
import { startGrid } from './testing/start-grid.js';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'drf-grid-'));
});
afterAll(() => rm(folder, { recursive: true, force: true, maxRetries: 5 }));

/** Six trainings of three steps or a few more on the embedded data, their real encoders and worker processes. */
const SIX = ['--seeds', '0-2', '--methods', 'drf,concatenation'];

interface Stored {
  readonly trainings: number;
  readonly cells: number;
  readonly predictions: number;
}

/** What the store holds; nothing while there is none. */
function stored(): Stored {
  try {
    const connection = openStore(join(folder, 'grid', 'results.sqlite'), 'read');
    const count = (table: string): number => Number(connection.prepare(`SELECT count(*) AS n FROM ${table}`).get()?.n);
    const counts = { trainings: count('training'), cells: count('cell'), predictions: count('prediction') };
    connection.close();
    return counts;
  } catch {
    return { trainings: 0, cells: 0, predictions: 0 };
  }
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 20));
}

it(
  'a grid that is killed loses only what was running, and the same command goes on',
  { timeout: 600_000 },
  async () => {
    const first = startGrid(folder, SIX, 'grid');
    await until(() => stored().trainings > 0);
    first.child.kill('SIGKILL');
    await first.ended;
    const left = stored();
    expect(left.trainings).toBeGreaterThan(0);
    expect(left.cells).toBe(left.trainings); // whole units: a training with its cell
    expect(left.predictions).toBe(24 * left.cells);

    const { code, output } = await startGrid(folder, SIX, 'grid').ended;
    expect(code).toBe(0);
    const outcome = JSON.parse(output) as GridOutcome;
    expect(outcome).toMatchObject({ planned: { trainings: 6, cells: 6 }, failures: [], interrupted: false });
    expect(outcome.due.featureSets).toBe(0); // all were encoded before the first training
    expect(outcome.done.trainings).toBe(6 - left.trainings);
    expect(stored()).toEqual({ trainings: 6, cells: 6, predictions: 6 * 24 });
    // a run for each training, whether it was trained before the kill or after
    expect(await readdir(join(folder, 'grid', 'trainings'))).toHaveLength(6);
  },
);

it('with folds, judges every training and test post once', { timeout: 600_000 }, async () => {
  const { code, output } = await startGrid(folder, ['--folds', '2', '--seeds', '0', '--methods', 'concatenation'], 'folds').ended; // prettier-ignore
  expect(code).toBe(0);
  expect(JSON.parse(output)).toMatchObject({ done: { trainings: 2, cells: 2 }, failures: [] });
  const store = new ResultStore(join(folder, 'folds'), 'read');
  const [cell, ...others] = store.cells;
  if (cell === undefined) throw new Error('no cell');
  expect(others).toEqual([]);
  expect(cell).toMatchObject({ experiment: 'quickstart-smoke', split: 'test, 2 folds', method: 'concatenation' });
  const { ids } = store.posts(cell);
  const { dataset } = store.config(cell);
  const { splits } = await openExperimentData({ ...dataset, folds: undefined });
  expect([...ids].sort()).toEqual([...splits.train, ...splits.test].map(({ id }) => id).sort());
  store.close();
});

it('only planned, leaves no trace', { timeout: 600_000 }, async () => {
  const { code, output } = await startGrid(folder, [...SIX, '--dry-run'], 'planned').ended;
  expect(code).toBe(0);
  expect(JSON.parse(output)).toMatchObject({ due: { trainings: 6, cells: 6 }, done: { trainings: 0 } });
  expect(await readdir(folder)).not.toContain('planned');
});

it('with folds, judges no other split than their own', { timeout: 600_000 }, async () => {
  const { code, output } = await startGrid(folder, ['--folds', '2', '--split', 'val'], 'refused').ended;
  expect([code, output]).toEqual([1, '']);
  expect(await readdir(folder)).not.toContain('refused');
});
