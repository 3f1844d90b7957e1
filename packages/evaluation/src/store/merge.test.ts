import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DataError } from '@drf/tensor';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { asVersion1 } from '../testing/former-store.js';
import { storeContent as content } from '../testing/store-content.js';
import { syntheticStore } from '../testing/synthetic-store.js';
import { formatCell } from '../cells.js';
import { openStore } from './connection.js';
import { mergeStores } from './merge.js';
import { ResultStore } from './result-store.js';
import type { StoredCell } from './records.js';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'drf-merge-'));
  await syntheticStore(join(folder, 'a'), [0, 1]);
  await syntheticStore(join(folder, 'b'), [1, 2]);
  await syntheticStore(join(folder, 'whole'), [0, 1, 2]);
  await syntheticStore(join(folder, 'newer'), [0]);
  const newer = openStore(join(folder, 'newer', 'results.sqlite'), 'write');
  newer.exec(`UPDATE training SET address = address || '+', result_version = 2, finished_at = '2999-01-01';
    UPDATE cell SET address = address || '+';
    UPDATE prediction SET probabilities = '[0,0,1]', predicted = 2 WHERE position < 3 AND cell_id IN
      (SELECT c.id FROM cell c JOIN training t ON t.id = c.training_id
        WHERE t.method = 'drf' AND t.without IS NULL AND t.disruption = 'none' AND c.name = 'clean')`);
  newer.close();
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const at = (name: string): string => join(folder, name, 'results.sqlite');

it('puts together what parts of a grid hold, each cell once', () => {
  const outcome = mergeStores(at('merged'), [join(folder, 'a'), at('b')]);
  const perSeed = content(at('newer')).length;
  expect(perSeed).toBeGreaterThan(10);
  expect(outcome).toEqual({ trainings: 3 * 7, cells: 3 * perSeed, known: perSeed, again: [] });
  expect(content(at('merged'))).toEqual(content(at('whole')));
  const merged = openStore(at('merged'), 'read');
  expect(merged.prepare('SELECT count(*) AS n FROM post_list').get()?.n).toBe(1);
  expect(String(merged.prepare('SELECT folder FROM training WHERE seed = 2').get()?.folder)).toMatch(/^\.\.\/b\//);
  expect(merged.prepare('PRAGMA foreign_key_check').all()).toEqual([]);
  merged.close();
  expect(mergeStores(at('merged'), [at('b')])).toEqual({ trainings: 0, cells: 0, known: 2 * perSeed, again: [] });
});

it('says which cells were computed twice and where they differ, and lets the newest count', () => {
  const { again, cells } = mergeStores(at('both'), [at('newer'), at('a')]); // the newer first: its date decides
  expect(again).toHaveLength(content(at('newer')).length);
  expect(cells).toBe(3 * again.length);
  const none = { kind: 'none' };
  const drf = { method: 'drf', without: null, trainedOn: none, fold: null, seed: 0 };
  expect(again).toContainEqual({ ...drf, testedOn: none, differing: 3 });
  expect(again).toContainEqual({
    ...drf,
    testedOn: { kind: 'modality-fixed', modality: 'text', setting: 'D' },
    differing: 0,
  });
  expect(again.filter(({ differing }) => differing > 0)).toHaveLength(1);
  const store = new ResultStore(at('both'), 'read');
  const isClean = (cell: StoredCell): boolean =>
    cell.method === 'drf' && cell.without === null && formatCell(cell) === 'clean'; // prettier-ignore
  const [clean, ...others] = store.cells.filter(isClean);
  expect(others).toEqual([]);
  expect([...store.predicted(clean as StoredCell).slice(0, 3)]).toEqual([2, 2, 2]);
  store.close();
});

it('makes nothing where a source is no store', () => {
  expect(() => mergeStores(at('none'), [at('a'), join(folder, 'nowhere')])).toThrow(DataError);
  expect(() => openStore(at('none'), 'read')).toThrow(DataError);
});

it('tells a drf-paper of before it was the paper’s to the letter from one that is', async () => {
  await syntheticStore(join(folder, 'letter'), [0]);
  await syntheticStore(join(folder, 'former'), [0]);
  const rename = (name: string, changes: string): void => {
    const connection = openStore(at(name), 'write');
    connection.exec(`UPDATE training SET method = 'drf-paper' WHERE method = 'drf';
      UPDATE training SET address = address || '${name}' ${changes}; UPDATE cell SET address = address || '${name}'`);
    connection.close();
    asVersion1(at(name), name);
  };
  rename('letter', '');
  rename('former', `, config = json_remove(config, '$.model.featureNorm')`);
  const { again } = mergeStores(at('both-forms'), [at('letter'), at('former')]);
  expect([...new Set(again.map(({ method }) => method))]).toEqual(['concatenation']);
});

it('dates what comes later after what was there, also where the clock was set back', async () => {
  vi.useFakeTimers({ toFake: ['Date'], now: new Date('2030-01-01') });
  try {
    await syntheticStore(join(folder, 'clock'), [0]);
    vi.setSystemTime(new Date('2020-01-01'));
    await syntheticStore(join(folder, 'clock'), [1]);
  } finally {
    vi.useRealTimers();
  }
  const store = openStore(at('clock'), 'read');
  const dates = store.prepare('SELECT seed, finished_at AS date FROM training ORDER BY date').all();
  store.close();
  expect(dates.map(({ seed }) => Number(seed))).toEqual([...Array(7).fill(0), ...Array(7).fill(1)]);
  expect(new Set(dates.map(({ date }) => String(date))).size).toBe(14); // each just after the one before
});
