import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createRandom } from '@drf/tensor';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { storeContent } from '../testing/store-content.js';
import type { GridOutcome } from './run-grid.js';
import { start, startGrid, type Started } from './testing/start-grid.js';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'drf-by-hand-'));
});
afterAll(() => rm(folder, { recursive: true, force: true, maxRetries: 5 }));

it(
  'gives the same store by units that are done by hand, in any order, twice at once and killed',
  { timeout: 900_000 },
  async () => {
    // two trainings, three cells, four feature sets; recovered features are kept of one cell
    const narrowed = ['--methods', 'drf', '--seeds', '0', '--dr', '1', '--settings', 'D'];
    const local = await startGrid(folder, [...narrowed, '--on', 'local'], 'local', 'figure-5', 'cache-local').ended;
    expect(JSON.parse(local.output)).toMatchObject({ done: { trainings: 2, cells: 3 }, failures: [], plan: null });
    const collect = () =>
      startGrid(folder, [...narrowed, '--on', 'plan'], 'by-hand', 'figure-5', 'cache-by-hand').ended;
    const planned = JSON.parse((await collect()).output) as GridOutcome;
    expect(planned).toMatchObject({ due: { trainings: 2, featureSets: 4 }, done: { trainings: 0 }, failures: [] });
    if (planned.plan === null) throw new Error('no plan');
    const { location, stages } = planned.plan;
    expect(stages.map((stage) => stage.length)).toEqual([1, 1, 2]); // intact features, those of the seed, trainings

    const unit = (index: number): Started => start('apps/eval/dist/unit.js', [location, String(index)]);
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
