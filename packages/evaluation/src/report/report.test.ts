import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chromium, type Browser, type Page } from 'playwright-core';
import sharp from 'sharp';
import { parseStrategy } from '@drf/disruption';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { BEGIN, END, replacePart, resultsMarkdown } from '../results/markdown.js';
import { CLEAN, formatCell, parseCell } from '../cells.js';
import { ResultStore } from '../store/result-store.js';
import { compareGroups } from '../statistics/compare-groups.js';
import { compareSystems, studiesOf } from '../statistics/compare-systems.js';
import { comparisonRows } from '../statistics/comparison-tables.js';
import { paperTables } from '../statistics/tables.js';
import { findProgram } from '../testing/find-program.js';
import { syntheticStore } from '../testing/synthetic-store.js';
import { reportText } from '../../../../apps/eval/src/report-command.js';
import { buildReport, writeCharts, type Report } from './report.js';

let folder: string;
let store: ResultStore;
let report: Report;
const notes: string[] = [];
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'drf-report-'));
  store = new ResultStore(await syntheticStore(folder).then(() => folder), 'read');
  report = await buildReport(store, { posts: 3, onNote: (note) => void notes.push(note) });
  await writeFile(join(folder, 'report.html'), report.html);
});
afterAll(async () => {
  store.close();
  await rm(folder, { recursive: true, force: true, maxRetries: 5 });
});

const DRF = { method: 'drf', without: null };
const CONCATENATION = { method: 'concatenation', without: null };

describe('comparisons', () => {
  it('pair seed by seed on equal manifests, and say better only of a difference that is there', () => {
    const [study] = studiesOf(store);
    if (study === undefined) throw new Error('no study');
    const question = { trainedOn: CLEAN, testedOn: parseStrategy('fixed:image:C') };
    const [better, worse] = compareSystems(store, study, [
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
    const [none] = compareSystems(store, study, [{ ...question, first: DRF, second: DRF }]);
    expect(none).toMatchObject({ difference: 0, pValue: 1, verdict: null });
  });

  it('of a single seed claim nothing', async () => {
    const single = join(folder, 'single');
    await syntheticStore(single, [0]);
    const own = new ResultStore(single, 'read');
    const [study] = studiesOf(own);
    const question = { first: DRF, second: CONCATENATION, trainedOn: CLEAN, testedOn: CLEAN };
    const [comparison] = compareSystems(own, study as NonNullable<typeof study>, [question]);
    own.close();
    expect(comparison).toMatchObject({ seeds: 1, seedInterval: null, verdict: null });
  });
});

describe('compareGroups', () => {
  it('averages the cells of a group, each post’s gain over its cells, and counts the cells on either side', () => {
    const [study] = studiesOf(store);
    if (study === undefined) throw new Error('no study');
    const cells = ['fixed:image:C', 'fixed:image:D', 'fixed:text:C', 'fixed:text:D'];
    const single = compareSystems(
      store,
      study,
      cells.map((name) => ({
        first: DRF,
        second: CONCATENATION,
        trainedOn: CLEAN,
        testedOn: parseCell(name).testedOn,
      })),
    );
    const groups = compareGroups(store, study, DRF, [CONCATENATION], single);
    const sizes = groups.map(({ group, cells: count }) => [group, count]);
    expect(sizes).toEqual([
      ['fixed', 4],
      ['random', 2],
      ['fixed and random', 6],
      ['C, fixed and random', 2],
      ['D, fixed and random', 4],
    ]); // no cell of C+D in this store
    const [fixed] = groups;
    expect(fixed).toMatchObject({ seeds: 5, cellsAbove: 4, cellsBelow: 0, verdict: 'better' });
    const average = single.reduce((sum, { difference }) => sum + difference, 0) / 4;
    expect(fixed?.difference).toBeCloseTo(average, 12);
    expect((fixed?.firstMean ?? 0) - (fixed?.secondMean ?? 0)).toBeCloseTo(average, 12);
    const width = ({ interval }: { interval: { low: number; high: number } }): number => interval.high - interval.low;
    expect(width(fixed as NonNullable<typeof fixed>)).toBeLessThan(Math.min(...single.map(width)));
  });

  it('has a cell in every column of every row', () => {
    for (const study of studiesOf(store)) {
      for (const { tables, comparisons } of paperTables(store, study, 'drf')) {
        for (const { head, rows } of [...tables, comparisonRows('all', comparisons)]) {
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
      'table-1',
      'table-3',
      'table-4',
      'figure-5',
      'figure-6',
      'quality',
      'reliability',
      'confusion',
      'training',
      'posts',
    ]);
    expect(notes).toEqual([]);
    expect(/(src|href)="https?:|url\((?!#)|@import/.test(report.html)).toBe(false);
    expect(report.html.match(/<article /g)).toHaveLength(3 * 5);
    expect(report.html).toContain('image missing');
    expect(report.html).toContain('[MASK]');
  });

  it('prints tables', () => {
    const text = reportText(report, true);
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

  it('writes Markdown as Prettier would', async () => {
    const { format } = await import('prettier');
    const document = replacePart('# Results\n', resultsMarkdown(store, 'pnpm eval results X'));
    expect(await format(document, { parser: 'markdown', printWidth: 120 })).toBe(document);
  });

  it('shows charts in Markdown where they are taken in', () => {
    const names: string[] = [];
    const part = resultsMarkdown(store, 'pnpm eval results X', {
      onChart: ({ name }) => `charts/${names.push(name)}.svg`,
    });
    expect(names).toEqual(expect.arrayContaining(['robustness-D']));
    names.forEach((_, i) => expect(part).toMatch(new RegExp(`^!\\[.+\\]\\(charts/${i + 1}\\.svg\\)$`, 'm')));
    expect(resultsMarkdown(store, 'pnpm eval results X')).not.toContain('![');
  });

  it('writes Markdown between marks and leaves the rest alone', () => {
    const part = resultsMarkdown(store, 'pnpm eval results X');
    expect(part).toContain('### Table 4: without one part');
    const [cell] = store.cells;
    expect(part).toContain(`${cell?.posts} posts judged, seeds 0, 1, 2, 3, 4`);
    const first = replacePart('# Results\n\nBy hand.\n', part);
    expect(first).toContain(`By hand.\n\n${BEGIN}`);
    const second = replacePart(`${first}\n## Speed\n`, `${BEGIN}\n\nnew\n\n${END}`);
    expect(second).toBe(`# Results\n\nBy hand.\n\n${BEGIN}\n\nnew\n\n${END}\n\n## Speed\n`);
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
  async function open(width: number, colorScheme: 'light' | 'dark'): Promise<Page> {
    const context = await browser.newContext({ viewport: { width, height: 844 }, colorScheme });
    const page = await context.newPage();
    page.on('console', (message) => said.push(message.text()));
    page.on('pageerror', (error) => said.push(error.message));
    page.on('request', (request) => {
      if (!/^(file|data):/.test(request.url())) said.push(request.url());
    });
    await page.goto(`file://${join(folder, 'report.html')}`);
    return page;
  }

  it.each([
    [390, 'light'],
    [390, 'dark'],
    [1200, 'light'],
    [1200, 'dark'],
  ] as const)(
    'at %i pixels, %s: no errors, no network, no overflow, accessible',
    { timeout: 180_000 },
    async (width, scheme) => {
      const page = await open(width, scheme);
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
