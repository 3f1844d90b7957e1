import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { openExperimentData } from '@drf/experiment';
import { createRandom } from '@drf/tensor';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { openStore } from '../store/connection.js';
import { ResultStore } from '../store/result-store.js';
import { storeContent } from '../testing/store-content.js';
import type { GridOutcome } from './run-grid.js';

const ROOT = fileURLToPath(new URL('../../../../', import.meta.url));
const FROM_SOURCE = ['--conditions=source', '--import', './scripts/from-source.mjs'];

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'drf-grid-'));
});
afterAll(() => rm(folder, { recursive: true, force: true, maxRetries: 5 }));

/** Six trainings of three steps or a few more on the embedded data, their real encoders and worker processes. */
const SIX = ['--seeds', '0-2', '--methods', 'drf,concatenation'];

interface Started {
  readonly child: ChildProcess;
  readonly ended: Promise<{ readonly code: number | null; readonly output: string }>;
}

function start(program: string, args: readonly string[]): Started {
  const child = spawn(process.execPath, [...FROM_SOURCE, program, ...args], {
    cwd: ROOT,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let output = '';
  child.stdout?.on('data', (chunk: Buffer) => (output += chunk.toString()));
  const ended = new Promise<{ code: number | null; output: string }>((resolve) => {
    child.on('exit', (code) => resolve({ code, output }));
  });
  return { child, ended };
}

function startGrid(narrowed = SIX, out = 'grid', [grid = 'table-3', cache = 'cache'] = []): Started {
  const places = ['--out', join(folder, out), '--cache', join(folder, cache)];
  return start('apps/eval/src/main.ts', ['grid', grid, '--experiments', 'quickstart-smoke', ...narrowed, ...places, '--json']); // prettier-ignore
}

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
    const first = startGrid();
    await until(() => stored().trainings > 0);
    first.child.kill('SIGKILL');
    await first.ended;
    const left = stored();
    expect(left.trainings).toBeGreaterThan(0);
    expect(left.cells).toBe(left.trainings); // whole units: a training with its cell
    expect(left.predictions).toBe(24 * left.cells);

    const { code, output } = await startGrid().ended;
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

it(
  'gives the same store by units that are done by hand, in any order, twice at once and killed',
  { timeout: 900_000 },
  async () => {
    // two trainings, three cells, four feature sets; recovered features are kept of one cell
    const narrowed = ['--methods', 'drf', '--seeds', '0', '--dr', '1', '--settings', 'D'];
    const local = await startGrid([...narrowed, '--on', 'local'], 'local', ['figure-5', 'cache-local']).ended;
    expect(JSON.parse(local.output)).toMatchObject({ done: { trainings: 2, cells: 3 }, failures: [], plan: null });
    const collect = () => startGrid([...narrowed, '--on', 'plan'], 'by-hand', ['figure-5', 'cache-by-hand']).ended;
    const planned = JSON.parse((await collect()).output) as GridOutcome;
    expect(planned).toMatchObject({ due: { trainings: 2, featureSets: 4 }, done: { trainings: 0 }, failures: [] });
    if (planned.plan === null) throw new Error('no plan');
    const { location, stages } = planned.plan;
    expect(stages.map((stage) => stage.length)).toEqual([1, 1, 2]); // intact features, those of the seed, trainings

    const unit = (index: number): Started => start('apps/eval/src/unit.ts', [location, String(index)]);
    const runs = join(folder, 'by-hand', 'trainings');
    const partial = async (): Promise<number> => {
      const names = await readdir(runs).catch(() => []);
      return names.filter((name) => name.endsWith('.partial')).length;
    };
    const killed = (stages[2] as readonly number[])[1] as number;
    const twice = [(stages[0] as readonly number[])[0] as number, killed];
    for (const stage of stages) {
      for (const index of createRandom(7).shuffle(stage)) {
        if (index === killed) {
          const { child, ended } = unit(index);
          while ((await partial()) === 0) await new Promise((resolve) => setTimeout(resolve, 5));
          child.kill('SIGKILL');
          await ended;
        }
        const ended = [unit(index), ...(twice.includes(index) ? [unit(index)] : [])].map((started) => started.ended);
        for (const { code } of await Promise.all(ended)) expect(code).toBe(0);
      }
    }
    const { code, output } = await collect();
    expect(code).toBe(0);
    expect(JSON.parse(output)).toMatchObject({ done: { trainings: 2, cells: 3 }, failures: [], plan: null });
    expect(storeContent(join(folder, 'by-hand'))).toEqual(storeContent(join(folder, 'local')));
    // nothing is left of units: a run for each training, and the store
    const rest = (await readdir(join(folder, 'by-hand'))).filter((name) => !name.startsWith('results.sqlite'));
    expect(rest).toEqual(['trainings']);
    expect(await partial()).toBe(0);
    expect((await readdir(runs)).sort()).toEqual((await readdir(join(folder, 'local', 'trainings'))).sort());
  },
);

it('with folds, judges every training and test post once', { timeout: 600_000 }, async () => {
  const { code, output } = await startGrid(['--folds', '2', '--seeds', '0', '--methods', 'concatenation'], 'folds').ended; // prettier-ignore
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
  const { code, output } = await startGrid([...SIX, '--dry-run'], 'planned').ended;
  expect(code).toBe(0);
  expect(JSON.parse(output)).toMatchObject({ due: { trainings: 6, cells: 6 }, done: { trainings: 0 } });
  expect(await readdir(folder)).not.toContain('planned');
});

it('with folds, judges no other split than their own', { timeout: 600_000 }, async () => {
  const { code, output } = await startGrid(['--folds', '2', '--split', 'val'], 'refused').ended;
  expect([code, output]).toEqual([1, '']);
  expect(await readdir(folder)).not.toContain('refused');
});
