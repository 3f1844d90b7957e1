import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chromium, type Browser, type Page } from 'playwright-core';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { findProgram } from '@drf/terminal';
import { CLEAN, formatCell, parseCell } from '../cells.js';
import { compare, meanQuestions, studiesOf } from '../statistics/compare.js';
import { resultTables } from '../statistics/tables.js';
import { ResultStore } from '../store/result-store.js';
import { htmlReport } from '../run-report.js';
import { syntheticStore } from '../testing/synthetic-store.js';
import { syntheticCell, syntheticResult } from '../testing/synthetic.js';
import { buildReport, tablesText, writeCharts, type Report } from './report.js';
import { replacePart, resultsPage } from './results-page.js';

let folder: string;
let store: ResultStore;
let report: Report;
const notes: string[] = [];
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'drf-report-'));
  store = new ResultStore(await syntheticStore(folder).then(() => folder), 'read');
  report = await buildReport(store, { posts: 3, onNote: (note) => void notes.push(note) });
  await writeFile(join(folder, 'report.html'), report.html);
  await writeFile(join(folder, 'run.html'), runPage());
});
afterAll(async () => {
  store.close();
  await rm(folder, { recursive: true, force: true, maxRetries: 5 });
});

/** The report of a single run, with a mistake and a long word. */
function runPage(): string {
  const cells = [syntheticCell('clean', 8), syntheticCell('fixed:image:C', 7), syntheticCell('random:1:C', 5)];
  const post = { id: 'p'.repeat(200), cell: 'clean', truth: 'bad', predicted: 'good', confidence: 0.9, text: 'x'.repeat(300), image: null, disruption: 'intact', rows: [], showing: 'sure' } as const; // prettier-ignore
  return htmlReport(syntheticResult(cells, { notes: ['n'.repeat(300)] }), { shown: [post] });
}

const DRF = { method: 'drf', without: null };
const CONCATENATION = { method: 'concatenation', without: null };

describe('comparisons', () => {
  it('pair seed by seed on equal manifests, and say better only of a difference that is there', () => {
    const [study] = studiesOf(store);
    if (study === undefined) throw new Error('no study');
    const question = { cells: [parseCell('fixed:image:C')] };
    const [better, worse] = compare(store, study, [
      { ...question, first: DRF, second: CONCATENATION },
      { ...question, first: CONCATENATION, second: DRF },
    ]);
    const mean = (method: string): number => {
      const own = study.cells.filter(
        (cell) =>
          cell.method === method && !cell.without && formatCell({ testedOn: cell.testedOn }) === 'fixed:image:C',
      );
      return own.reduce((sum, { accuracy }) => sum + accuracy, 0) / own.length;
    };
    expect(better).toMatchObject({ seeds: 5, verdict: 'better', mcnemar: 5 });
    expect(better?.difference).toBeCloseTo(mean('drf') - mean('concatenation'), 12);
    expect(worse).toMatchObject({ verdict: 'worse' });
    const [none] = compare(store, study, [{ ...question, first: DRF, second: DRF }]);
    expect(none).toMatchObject({ difference: 0, pValue: 1, verdict: null });
  });

  it('of a single seed claim nothing', async () => {
    const single = join(folder, 'single');
    await syntheticStore(single, [0]);
    const own = new ResultStore(single, 'read');
    const [study] = studiesOf(own);
    const question = { first: DRF, second: CONCATENATION, cells: [{ trainedOn: CLEAN, testedOn: CLEAN }] };
    const [comparison] = compare(own, study as NonNullable<typeof study>, [question]);
    own.close();
    expect(comparison).toMatchObject({ seeds: 1, seedInterval: null, verdict: null });
  });
});

describe('comparisons of means', () => {
  it('averages the cells of a group, each post’s gain over its cells, and counts the cells on either side', () => {
    const [study] = studiesOf(store);
    if (study === undefined) throw new Error('no study');
    const cells = ['fixed:image:C', 'fixed:image:D', 'fixed:text:C', 'fixed:text:D'];
    const single = compare(
      store,
      study,
      cells.map((name) => ({ first: DRF, second: CONCATENATION, cells: [parseCell(name)] })),
    );
    const groups = compare(store, study, meanQuestions(study, DRF, [CONCATENATION]));
    const sizes = groups.map(({ cell: group, cells: own }) => [group, own.length]);
    expect(sizes).toEqual([
      ['fixed', 4],
      ['random', 2],
      ['fixed and random', 6],
      ['C, fixed and random', 2],
      ['D, fixed and random', 4],
    ]); // no cell of C+D in this store
    const [fixed] = groups;
    expect(fixed).toMatchObject({ seeds: 5, trainedOn: null, mcnemar: null, verdict: 'better' });
    const [overall] = resultTables(store, study, 'drf');
    expect(overall?.tables[0]?.rows[0]?.slice(-2)).toEqual(['4, 0', 'better']); // cells above, below
    const average = single.reduce((sum, { difference }) => sum + difference, 0) / 4;
    expect(fixed?.difference).toBeCloseTo(average, 12);
    expect((fixed?.firstMean ?? 0) - (fixed?.secondMean ?? 0)).toBeCloseTo(average, 12);
    const width = ({ interval }: { interval: { low: number; high: number } }): number => interval.high - interval.low;
    expect(width(fixed as NonNullable<typeof fixed>)).toBeLessThan(Math.min(...single.map(width)));
  });

  it('has a cell in every column of every row', () => {
    for (const study of studiesOf(store)) {
      for (const { tables, details } of resultTables(store, study, 'drf')) {
        for (const { head, rows } of [...tables, ...details]) {
          for (const row of rows) expect(row).toHaveLength(head.length);
        }
      }
    }
  });
});

describe('report', () => {
  it('has a part for each table and figure', () => {
    const ids = [...report.html.matchAll(/<section id="([^"]+)"/g)].map(([, id]) => id);
    expect(ids).toEqual([
      'overall',
      'figure-5',
      'table-1',
      'table-3',
      'table-4',
      'robustness',
      'cost',
      'figure-6',
      'quality',
      'reliability',
      'confusion',
      'training',
      'posts',
      'about',
    ]);
    expect(notes).toEqual([]);
    expect(/(src|href)="https?:|url\((?!#)|@import/.test(report.html)).toBe(false);
    expect(report.html.match(/<article /g)).toHaveLength(3 * 5);
    expect(report.html).toContain('image missing');
    expect(report.html).toContain('[MASK]');
  });

  it('begins with the verdict in words, pictures before tables', () => {
    const words = report.html.replaceAll('\u00a0', ' ');
    expect(words).toMatch(/<div class="opening"><p>Judged on \d+ posts of split test, seeds 0, 1, 2, 3, 4\. On intact posts, drf is right most often: on [\d.]+ %\. On posts of which one modality is corrupted or missing, drf is right most often: on [\d.]+ %\. On the mean over 6 disrupted cells, drf is better than concatenation by [\d.]+ points \(95 % interval \+[\d.]+ to \+[\d.]+\)\. In \d+ comparisons of single cells, drf is better in \d+/); // prettier-ignore
    expect(words.indexOf('<svg')).toBeLessThan(words.indexOf('<table'));
    expect(words).toContain('image corrupted <small class="code">fixed:image:C</small>');
  });

  it('prints tables', () => {
    const text = tablesText(report.tables, true);
    expect(text).toContain('== Table 1: one modality of every post disrupted');
    expect(text).toMatch(/drf against the others, 4 comparisons: better in 4, worse in 0, undecided in 0\./);
  });

  it('writes charts as SVG and PNG', async () => {
    const robustness = report.charts.filter(({ name }) => name === 'robustness-D');
    const [svg, png] = await writeCharts(robustness, join(folder, 'charts'));
    expect(await readFile(svg as string, 'utf8')).toMatch(/^<svg .*concatenation/s);
    const { width, height } = await sharp(png).metadata();
    expect([width, height]).toEqual([1280, 760]);
  });
});

describe('resultsPage', () => {
  const places = {
    tables: 'results',
    charts: 'charts',
    chartsFromTables: '../charts',
    pageFromTables: '../results.md',
  };
  const options = { command: 'pnpm eval results X', ...places };

  it('is Markdown as Prettier would write it, tables as well', async () => {
    const { format } = await import('prettier');
    const { part, tables } = resultsPage(store, options);
    for (const document of [replacePart('# Results\n', part), ...tables.map(({ markdown }) => markdown)]) {
      expect(await format(document, { parser: 'markdown', printWidth: 120 })).toBe(document);
    }
  });

  it('has a headline table, three charts with what they show, and links to every table', () => {
    const { part, tables, charts } = resultsPage(store, options);
    const [cell] = store.cells;
    const trainings = store.summary().trainings;
    expect(part).toContain(
      `printed from one store: ${trainings} trainings, ${store.cells.length} cells, seeds 0, 1, 2, 3, 4`,
    );
    expect(part).toContain(`${cell?.posts} posts judged, seeds 0, 1, 2, 3, 4`);
    expect(part).toMatch(/\| drf +\| +[\d.]+ \| +[\d.]+ \| +[\d.]+ \| +[\d.]+ \| +– \|/);
    expect(part).toMatch(/\| concatenation \| .* \| better \|/);
    const shown = [...part.matchAll(/^!\[[^\]]+\]\(charts\/([^)]+)\.svg\)\n\n(\S.*)$/gm)];
    expect(shown.map(([, name]) => name)).toEqual(['disruption', 'robustness-D', 'differences']);
    expect(shown[0]?.[2]).toMatch(/^Trained on intact posts, drf answers [\d.]+ % of intact posts rightly, with the/);
    expect(shown[2]?.[2]).toBe('Over 6 cells together, drf is better than concatenation.');
    expect(charts.map(({ name }) => name)).toEqual(expect.arrayContaining(shown.map(([, name]) => name)));
    const files = tables.map(({ file }) => file);
    expect(files).toEqual([
      'overall.md',
      'table-1.md',
      'table-3.md',
      'table-4.md',
      'figure-5.md',
      'robustness.md',
      'cost.md',
      'quality.md',
    ]);
    for (const file of files) expect(part).toContain(`](results/${file})`);
  });

  it('prints what the report prints', () => {
    const { tables } = resultsPage(store, options);
    const [study] = studiesOf(store);
    if (study === undefined) throw new Error('no study');
    for (const { id, tables: own, details } of resultTables(store, study, 'drf')) {
      const file = tables.find((table) => table.file === `${id}.md`);
      const rows = [...own, ...details].flatMap((table) => table.rows);
      const written = (file?.markdown ?? '').split('\n').map((line) => line.split('|').slice(1, -1).map((text) => text.trim())); // prettier-ignore
      expect(written).toEqual(expect.arrayContaining(rows));
    }
  });

  it('stands between marks and leaves the rest alone', () => {
    const { part } = resultsPage(store, options);
    const [begin, end] = [part.split('\n')[0] ?? '', part.split('\n').at(-1) ?? ''];
    const first = replacePart('# Results\n\nBy hand.\n', part);
    expect(first).toContain(`By hand.\n\n${begin}`);
    const second = replacePart(`${first}\n## Speed\n`, `${begin}\n\nnew\n\n${end}`);
    expect(second).toBe(`# Results\n\nBy hand.\n\n${begin}\n\nnew\n\n${end}\n\n## Speed\n`);
  });
});

const executablePath = await findProgram(['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable']);
const reason = executablePath === undefined ? ' [skipped: no Chromium on the path; Debian has chromium]' : '';

describe.skipIf(executablePath === undefined)(`report in Chromium${reason}`, () => {
  let browser: Browser;
  const said: string[] = [];
  beforeAll(async () => {
    const args = ['--headless', '--no-sandbox', '--disable-gpu', '--disable-background-networking', '--no-first-run'];
    browser = await chromium.launch({ executablePath, args, timeout: 120_000 });
  }, 180_000);
  afterAll(() => browser?.close());

  /** The page at a size; what it says or asks of the network is noted. */
  async function open(width: number, colorScheme: 'light' | 'dark', file = 'report.html'): Promise<Page> {
    const context = await browser.newContext({ viewport: { width, height: 844 }, colorScheme });
    const page = await context.newPage();
    page.on('console', (message) => said.push(message.text()));
    page.on('pageerror', (error) => said.push(error.message));
    page.on('request', (request) => {
      if (!/^(file|data):/.test(request.url())) said.push(request.url());
    });
    await page.goto(`file://${join(folder, file)}`);
    return page;
  }

  it.each([
    [390, 'light', 'report.html'],
    [390, 'dark', 'report.html'],
    [1200, 'light', 'report.html'],
    [1200, 'dark', 'report.html'],
    [390, 'dark', 'run.html'],
    [1200, 'light', 'run.html'],
  ] as const)(
    'at %i pixels, %s, %s: no errors, no network, no overflow, accessible',
    { timeout: 180_000 },
    async (width, scheme, file) => {
      const page = await open(width, scheme, file);
      expect(await page.evaluate('document.documentElement.scrollWidth')).toBe(width);
      await page.evaluate('document.querySelectorAll("details").forEach((own) => (own.open = true))');
      await page.addScriptTag({ path: createRequire(import.meta.url).resolve('axe-core/axe.min.js') });
      const violations = await page.evaluate<{ id: string; nodes: { html: string }[] }[]>(
        'axe.run().then((result) => result.violations)',
      );
      expect(violations.map(({ id, nodes }) => `${id}: ${nodes[0]?.html}`)).toEqual([]);
      expect(said).toEqual([]);
      await page.context().close();
    },
  );

  it('filters posts by keyboard', { timeout: 180_000 }, async () => {
    const page = await open(1200, 'light');
    await page.focus('#filter-cell');
    await page.keyboard.press('End');
    await page.waitForFunction('document.getElementById("filter-count").textContent === "3 shown"');
    expect(await page.evaluate('document.querySelectorAll("article:not([hidden])").length')).toBe(3);
    await page.context().close();
  });
});
