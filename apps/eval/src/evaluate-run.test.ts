import { cp, mkdtemp, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readManifest } from '@drf/disruption/manifest';
import {
  buildReport,
  evaluateRun,
  evaluationFolder,
  formatCell,
  parseStrategies,
  ResultStore,
  summaryCsv,
  summaryText,
  tablesText,
  trainingRecord,
  writeEvaluation,
  type EvaluationResult,
} from '@drf/evaluation';
import { datasetWithMissingFile, makeTinyRun, tinyConfig, tinyWorld } from '@drf/evaluation/testing';
import { encodeRecords } from '@drf/experiment';
import { readJson } from '@drf/files';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { evaluateRuns } from './evaluate-command.js';

let folder: string;
let cache: string;
let drf: string;
let concatenation: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'evaluation-'));
  cache = join(folder, 'cache');
  [drf, concatenation] = [join(folder, 'drf'), join(folder, 'concatenation')];
  await makeTinyRun(drf, tinyConfig(), cache);
  await makeTinyRun(concatenation, tinyConfig({ method: 'concatenation' }), cache);
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const cells = parseStrategies('fixed:image:C,fixed:text:D,random:0.5:C+D,random:1:C+D');
const jsonOf = (path: string): Promise<EvaluationResult> => readJson(path) as Promise<EvaluationResult>;

describe('evaluateRun', () => {
  it('judges every post of every cell and writes it down', async () => {
    const { workspace } = tinyWorld();
    const evaluation = await evaluateRun(drf, { workspace, cache, cells });
    const { result } = evaluation;
    expect(result.evaluation).toMatchObject({ dataset: 'embedded', split: 'test', posts: 18, seed: 0 });
    expect(result.cells.map(({ cell }) => cell)).toEqual(cells.map((testedOn) => formatCell({ testedOn })));
    expect(result.cells.map(({ report }) => report.count)).toEqual([18, 18, 18, 18, 18]);
    expect(result.cells[1]?.disrupted).toEqual({
      image: { corrupted: 18, discarded: 0 },
      text: { corrupted: 0, discarded: 0 },
    });
    expect(result.cells[2]?.disrupted.text).toEqual({ corrupted: 0, discarded: 18 });
    expect(result.cells[1]?.quality?.image).toBeGreaterThanOrEqual(0);
    expect(result.cells[1]?.quality?.text).toBeNull();
    expect(result.cells[2]?.quality).toEqual({ image: null, text: null });
    expect(result.curves.map(({ setting, points }) => [setting, points.length])).toEqual([['C+D', 3]]);

    const out = join(folder, 'out');
    const written = await writeEvaluation(evaluation, out);
    expect(written.at(-1)).toBe(join(out, 'results.json'));
    expect(await jsonOf(join(out, 'results.json'))).toEqual(JSON.parse(JSON.stringify(result)));
    const predictions = (await readFile(join(out, 'predictions.jsonl'), 'utf8')).trimEnd().split('\n');
    expect(predictions).toHaveLength(5 * 18);
    const rows = predictions.map((line) => JSON.parse(line) as { cell: string; truth: string; predicted: string });
    const right = rows.filter(({ cell, truth, predicted }) => cell === 'random:1:C+D' && truth === predicted).length;
    expect(right / 18).toBeCloseTo(result.cells[4]?.report.accuracy as number, 12);
    const manifest = await readManifest(join(out, 'manifests', 'random-1-C+D.jsonl'));
    expect(manifest.entries).toHaveLength(18);
    expect(manifest.header.imageSize).toEqual({ width: 16, height: 16 });
    const wrong = Math.round(18 * (1 - (result.cells[0]?.report.accuracy ?? 0)));
    expect(wrong).toBeGreaterThan(0);
    const page = await readFile(join(out, 'report.html'), 'utf8');
    expect(page).toMatch(/<div class="opening"><p>The model is right on \d+ of 18 test posts/);
    expect(page.match(/<article /g)).toHaveLength(evaluation.shown.length);
    expect(evaluation.shown.filter(({ cell }) => cell === 'clean')).toHaveLength(wrong);
    expect(page).toContain('<img src="data:image/webp;base64,');
    const again = await evaluateRun(drf, { workspace, cache, cells });
    expect(again.shown).toEqual(evaluation.shown);
    const without = await evaluateRun(drf, { workspace, cache, cells, posts: 0 });
    expect(without.shown).toEqual([]);
    await workspace.dispose();
  });

  it('gives the same results.json twice, from the cache the second time', async () => {
    const first = await evaluateRun(drf, { ...tinyWorld(), cache, cells });
    const second = await evaluateRun(drf, { ...tinyWorld(), cache, cells });
    expect(JSON.stringify(second.result)).toBe(JSON.stringify(first.result));
    const other = await evaluateRun(drf, { ...tinyWorld(), cache, cells, seed: 5 });
    expect(other.result.cells[3]?.disrupted).not.toEqual(first.result.cells[3]?.disrupted);
  });

  it('repeats a cell from its manifest', async () => {
    const { workspace } = tinyWorld();
    const planned = await evaluateRun(drf, { workspace, cache, cells: parseStrategies('random:0.5:C+D'), seed: 3 });
    const out = join(folder, 'planned');
    await writeEvaluation(planned, out);
    const manifest = join(out, 'manifests', 'random-0.5-C+D.jsonl');
    const repeated = await evaluateRun(drf, { workspace, cache, manifest });
    expect(repeated.result.cells).toEqual(planned.result.cells);
    expect(repeated.result.evaluation).toMatchObject({ seed: 3, manifest });
    expect(evaluationFolder(repeated.result)).toBe(join('eval', 'test-manifest'));
    const elsewhere = await evaluateRun(drf, { workspace, cache, manifest, split: 'val' });
    expect(elsewhere.result.notes[0]).toMatch(/^\d+ posts of the manifest are not among the evaluated ones$/);
    await writeFile(manifest, (await readFile(manifest, 'utf8')).replace('"mask":"[MASK]"', '"mask":"<mask>"'));
    const masked = await evaluateRun(drf, { workspace, cache, manifest });
    expect(masked.result.cells).toEqual(planned.result.cells);
    expect(masked.result.notes).toEqual([
      "The words that the manifest masks became [MASK], the text encoder's own mask, not <mask>",
    ]);
    await workspace.dispose();
  });

  it('has no quality for concatenation, and other figures than DRF', async () => {
    const { result } = await evaluateRun(concatenation, { ...tinyWorld(), cache, cells, split: 'val' });
    expect(result.run.method).toBe('concatenation');
    expect(result.evaluation).toMatchObject({ split: 'val', posts: 12 });
    expect(result.cells.map(({ quality }) => quality)).toEqual([null, null, null, null, null]);
  });

  it('leaves posts out that cannot be read, in every cell, and goes on', async () => {
    const { workspace } = tinyWorld({ openDataset: () => Promise.resolve(datasetWithMissingFile(folder)) });
    const { result } = await evaluateRun(drf, { workspace, cache, cells, split: 'all' });
    expect(result.unreadable).toEqual([{ id: 'gone', message: expect.stringContaining('gone.png') as string }]);
    expect(result.cells.map(({ report }) => report.count)).toEqual([1, 1, 1, 1, 1]);
    await workspace.dispose();
  });
});

describe('an interruption', () => {
  it('keeps the cells so far in a folder of their own', async () => {
    const controller = new AbortController();
    let encodings = 0;
    const { workspace } = tinyWorld({
      encode: (options) => {
        if (++encodings === 3) controller.abort();
        return encodeRecords(options);
      },
    });
    const outcome = await evaluateRuns([drf], {
      workspace,
      cache: join(folder, 'fresh'),
      cells,
      signal: controller.signal,
    });
    expect(outcome.interrupted).toBe(true);
    const [result] = outcome.results;
    expect(result?.cells.map(({ cell }) => cell)).toEqual(['clean', 'fixed:image:C']);
    expect(result?.missingCells).toEqual(['fixed:text:D', 'random:0.5:C+D', 'random:1:C+D']);
    expect(await readdir(join(drf, 'eval'))).toEqual(['test.partial']);
    await workspace.dispose();
  });

  it('before the clean cell is done leaves nothing', async () => {
    const { workspace } = tinyWorld();
    const outcome = await evaluateRuns([drf], {
      workspace,
      cache: join(folder, 'fresher'),
      cells,
      signal: AbortSignal.abort(),
    });
    expect(outcome).toEqual({ results: [], summary: null, notes: [], written: [], interrupted: true });
    await workspace.dispose();
  });
});

describe('several runs', () => {
  it('share data and encoders and end in a summary', async () => {
    const { workspace, opened } = tinyWorld();
    const out = join(folder, 'several');
    const outcome = await evaluateRuns([drf, concatenation], {
      workspace,
      cache,
      cells,
      out,
      csv: join(folder, 'all.csv'),
    });
    expect(opened).toEqual({ datasets: 1, sessions: 1 });
    expect(outcome.interrupted).toBe(false);
    expect(outcome.summary?.groups.map(({ label }) => label)).toEqual(['drf', 'concatenation']);
    expect(outcome.summary?.tables.map(({ id }) => id)).toEqual([
      'overall',
      'table-1',
      'table-3',
      'one-model-none',
      'robustness',
      'cost',
    ]);
    expect((await readdir(out)).sort()).toEqual([
      'concatenation',
      'drf',
      'summary.csv',
      'summary.html',
      'summary.json',
    ]);
    const page = await readFile(join(out, 'summary.html'), 'utf8');
    expect(page).toContain('<a href="drf/report.html">Evaluation of drf</a>');
    expect(page).toContain('<a href="concatenation/report.html">Evaluation of concatenation</a>');
    const rows = (await readFile(join(folder, 'all.csv'), 'utf8')).trimEnd().split('\r\n');
    expect(rows).toHaveLength(1 + 2 * 5);
    await workspace.dispose();
  });

  it('are told apart as the report of a store that holds the same runs does, in every form', async () => {
    const { workspace } = tinyWorld();
    const paths: string[] = [];
    for (const method of ['drf', 'concatenation'] as const) {
      for (const seed of [0, 1, 2]) {
        const path = join(folder, `${method}-${seed}`);
        await makeTinyRun(path, tinyConfig({ method, seed }), cache);
        paths.push(path);
      }
    }
    const out = join(folder, 'told-apart');
    const { summary } = await evaluateRuns(paths, { workspace, cache, cells, out });
    if (summary === null) throw new Error('no summary');
    const store = new ResultStore(join(folder, 'store.sqlite'), 'write');
    for (const path of paths) {
      store.add(await trainingRecord(await evaluateRun(path, { workspace, cache, cells, details: true })));
    }
    const report = await buildReport(store, { posts: 0, onNote: () => undefined });
    store.close();
    expect(summary.tables).toEqual(report.tables);
    expect(summaryText(summary)).toContain(tablesText(report.tables, true).trimEnd());
    const sections = (html: string): (string | undefined)[] =>
      summary.tables.map(({ id }) => html.split('<section ').find((part) => part.startsWith(`id="${id}"`)));
    const page = await readFile(join(out, 'summary.html'), 'utf8');
    expect(sections(page)).toEqual(sections(report.html));
    expect(sections(page)).not.toContain(undefined);
    expect(await readJson(join(out, 'summary.json'))).toEqual(JSON.parse(JSON.stringify(summary)));
    const [head = '', ...rows] = summaryCsv(summary).trimEnd().split('\r\n');
    const comparison = report.tables.flatMap((table) => table.comparisons).find(({ cell }) => cell === 'fixed:image:C');
    const row = rows.find((own) => own.startsWith('concatenation,0 1 2,fixed:image:C,'))?.split(',') ?? [];
    expect(row[head.split(',').indexOf('firstLessThis')]).toBe(String(comparison?.difference));
    expect(row[head.split(',').indexOf('pCorrected')]).toBe(String(comparison?.adjusted));
    await workspace.dispose();
  });

  it('refuses a run twice, and one checkpoint for several', async () => {
    const options = { ...tinyWorld(), cache };
    await expect(evaluateRuns([drf, `${drf}/`], options)).rejects.toThrow('eval expected each run once');
    await expect(evaluateRuns([drf, concatenation], { ...options, checkpoint: 'c' })).rejects.toThrow(
      '--checkpoint expected a single run, received 2 runs',
    );
  });
});

describe('bad input', () => {
  const evaluate = (path: string, options = {}) => evaluateRun(path, { ...tinyWorld(), cache, cells, ...options });
  const checkpointOf = (run: string): string => join(run, 'checkpoints', 'step-3.safetensors');

  it('no run', async () => {
    await expect(evaluate(join(folder, 'nowhere'))).rejects.toThrow(
      /nowhere expected a folder that training made, with config.json, received none; name a run/,
    );
  });

  it('a run whose training made no checkpoint', async () => {
    const path = join(folder, 'early');
    await cp(drf, path, { recursive: true });
    await rm(checkpointOf(path));
    await expect(evaluate(path)).rejects.toThrow(/early expected a checkpoint in checkpoints\/, received none/);
  });

  it('a checkpoint of another model', async () => {
    await expect(evaluate(drf, { checkpoint: checkpointOf(concatenation) })).rejects.toThrow(
      /expected method drf, received concatenation; evaluate or resume with the configuration of its run/,
    );
    const wide = join(folder, 'wide');
    const config = tinyConfig();
    await makeTinyRun(wide, { ...config, model: { ...config.model, dim: 5 } }, cache);
    await expect(evaluate(drf, { checkpoint: checkpointOf(wide) })).rejects.toThrow(
      /parameter trained\.classifier\.kernel expected shape \[4, 3\], received \[5, 3\]/,
    );
  });

  it('a truncated checkpoint', async () => {
    const path = join(folder, 'cut.safetensors');
    await writeFile(path, await readFile(checkpointOf(drf)));
    await truncate(path, 3000);
    await expect(evaluate(drf, { checkpoint: path })).rejects.toThrow(/cut\.safetensors .*truncated/);
  });

  it('other encoders than those of training', async () => {
    const { workspace } = tinyWorld({ imageEncoderId: 'newer-image' });
    await expect(evaluate(drf, { workspace })).rejects.toThrow(
      /image encoder expected "tiny-image", with which it was trained, received "newer-image"; install the version/,
    );
    await workspace.dispose();
  });

  it('a data set without its place', async () => {
    await expect(evaluate(drf, { dataset: { name: 'mvsa-single' } })).rejects.toThrow(
      '--dataset mvsa-single expected its folder, received none; name it: --dataset-root DIR',
    );
  });

  it('a manifest made at another image size', async () => {
    const { workspace } = tinyWorld();
    const planned = await evaluateRun(drf, { workspace, cache, cells: parseStrategies('fixed:image:C') });
    await writeEvaluation(planned, join(folder, 'sized'));
    const manifest = join(folder, 'sized', 'manifests', 'fixed-image-C.jsonl');
    await writeFile(manifest, (await readFile(manifest, 'utf8')).replaceAll('"width":16', '"width":32'));
    await expect(evaluate(drf, { manifest })).rejects.toThrow(
      /expected pixels chosen at 16 × 16, the size at which the run reads images, received 32 × 16/,
    );
    await workspace.dispose();
  });

  it('no post that can be read', async () => {
    const broken = datasetWithMissingFile(folder);
    const onlyBad = Object.assign(broken, { records: broken.records.slice(1) });
    const { workspace } = tinyWorld({ openDataset: () => Promise.resolve(onlyBad) });
    await expect(evaluate(drf, { workspace, split: 'all' })).rejects.toThrow(
      /The posts of data set made expected at least one that can be read, received none of 1, the first: .*gone\.png/,
    );
    await workspace.dispose();
  });
});
