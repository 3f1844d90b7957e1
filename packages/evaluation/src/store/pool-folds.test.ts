import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { planDisruptions, parseStrategy } from '@drf/disruption';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { buildReport } from '../report/report.js';
import { resultsPage } from '../report/results-page.js';
import { compare, studiesOf } from '../statistics/compare.js';
import { syntheticStore } from '../testing/synthetic-store.js';
import { CLEAN, formatCell } from '../cells.js';
import { openStore } from './connection.js';
import { isPooled } from './pool-folds.js';
import { ResultStore, storeFile } from './result-store.js';
import type { StoredCell } from './records.js';

const FOLDS = 3;
const SEEDS = [0, 1, 2];

let folder: string;
let store: ResultStore;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'drf-folds-'));
  for (let fold = 1; fold <= FOLDS; fold++) await syntheticStore(folder, SEEDS, { fold, folds: FOLDS });
  store = new ResultStore(folder, 'read');
});
afterAll(async () => {
  store.close();
  await rm(folder, { recursive: true, force: true, maxRetries: 5 });
});

function cell(name: string, seed = 0): StoredCell {
  const found = store.cells.find((own) => own.method === 'drf' && !own.without && formatCell({ testedOn: own.testedOn }) === name && own.seed === seed); // prettier-ignore
  if (found === undefined) throw new Error(`no cell ${name}`);
  return found;
}

it('makes one cell of the folds, over all their posts, as the rows of the store have them', () => {
  expect(store.waiting).toBe(0);
  expect(store.cells.every(isPooled)).toBe(true);
  const own = cell('fixed:text:C');
  const connection = openStore(storeFile(folder), 'read');
  const rows = connection
    .prepare(
      `SELECT t.fold, p.post, p.truth, a.predicted FROM prediction a
       JOIN cell c ON c.id = a.cell_id JOIN training t ON t.id = c.training_id
       JOIN post p ON p.post_list_id = c.post_list_id AND p.position = a.position
       WHERE t.method = 'drf' AND t.without IS NULL AND t.seed = 0 AND c.name = 'fixed:text:C'
       ORDER BY t.fold, a.position`,
    )
    .all();
  connection.close();
  const { ids, labels } = store.posts(own);
  expect(own).toMatchObject({ experiment: 'quickstart', split: 'test, 3 folds', posts: rows.length });
  expect(new Set(ids).size).toBe(ids.length);
  expect(ids).toEqual(rows.map(({ post }) => post));
  expect([...labels]).toEqual(rows.map(({ truth }) => truth));
  expect([...store.predicted(own)]).toEqual(rows.map(({ predicted }) => predicted));
  const right = rows.filter(({ truth, predicted }) => truth === predicted).length;
  expect(own.accuracy).toBeCloseTo(right / rows.length, 12);
  const report = store.report(own);
  expect([report.count, report.accuracy, report.weightedF1]).toEqual([rows.length, own.accuracy, own.weightedF1]);
  expect(report.calibration?.bins.reduce((sum, { count }) => sum + count, 0)).toBe(rows.length);
});

it('keeps disruptions and details with their posts', () => {
  const own = cell('random:0.4:D');
  const { ids, labels } = store.posts(own);
  const presence = ids.map((id) => ({ id, hasImage: true, hasText: true }));
  const inFolds = own.rows.map((row) => new Set(store.posts({ postsKey: String(row.postListId), rows: [row] }).ids));
  expect(inFolds).toHaveLength(FOLDS);
  // each fold is disrupted on its own, to its exact share
  const due = inFolds.flatMap((fold) =>
    planDisruptions(
      presence.filter(({ id }) => fold.has(id)),
      parseStrategy('random:0.4:D'),
      0,
    ),
  );
  const stored = store.disruptions(own).map(({ position, modality }) => ({ id: ids[position], modality }));
  expect(stored).toEqual(due.map(({ id, modality }) => ({ id, modality })));
  expect(stored.length).toBeGreaterThan(0);
  const discarded = new Map(due.map(({ id, modality }) => [id, modality]));
  const predictions = store.predictions(own);
  expect(predictions.map(({ position }) => position)).toEqual([...labels.keys()]);
  for (const { position, available } of predictions) {
    const gone = discarded.get(ids[position] as string);
    expect(available).toEqual({ image: gone !== 'image', text: gone !== 'text' });
  }
  expect(store.config(own).dataset).toMatchObject({ fold: 1, folds: FOLDS });
});

it('is compared seed by seed over the posts of all folds', () => {
  const [study, ...others] = studiesOf(store);
  if (study === undefined) throw new Error('no study');
  expect(others).toEqual([]);
  const [comparison] = compare(store, study, [
    { first: { method: 'drf', without: null }, second: { method: 'concatenation', without: null }, cells: [{ trainedOn: CLEAN, testedOn: parseStrategy('fixed:image:C') }] },
  ]); // prettier-ignore
  expect(comparison).toMatchObject({ seeds: SEEDS.length, verdict: 'better' });
});

it('leaves out cells whose folds are not all there, and says so', async () => {
  const part = await mkdtemp(join(tmpdir(), 'drf-folds-'));
  try {
    await syntheticStore(part, [0], { fold: 1, folds: 2 });
    await syntheticStore(part, [0, 1], { fold: 2, folds: 2 });
    const half = new ResultStore(part, 'read');
    expect(new Set(half.cells.map(({ seed }) => seed))).toEqual(new Set([0]));
    expect(half.waiting).toBe(half.cells.length); // as many of seed 1, each of one fold
    const places = { tables: '', charts: '', chartsFromTables: '', pageFromTables: '' };
    expect(resultsPage(half, { command: 'command', ...places }).part).toContain(
      `Note: ${half.waiting} cells of single folds are left out`,
    );
    half.close();
  } finally {
    await rm(part, { recursive: true, force: true, maxRetries: 5 });
  }
});

it('goes into the report as any experiment', async () => {
  const { html } = await buildReport(store, { posts: 1, onNote: () => undefined });
  expect(html).toContain('Cross-validation: each post is judged once a seed');
  expect(html).toContain(`judged on ${cell('clean').posts} posts of split test, 3 folds`);
});
