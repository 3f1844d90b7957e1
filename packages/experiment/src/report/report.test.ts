import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { LedgerReport } from '@drf/datasets';
import { CALIBRATION_FORMAT } from '@drf/judge';
import { describe, expect, it } from 'vitest';
import {
  barChart,
  cellWords,
  figure,
  htmlPage,
  htmlTable,
  intervalChart,
  legend,
  lineChart,
  linkEvaluations,
  lossWords,
  parseExperiment,
  RunFolder,
  termsIn,
  trainingReport,
  writeTrainingReport,
  type BestCheckpoint,
  type MetricRow,
  type RunDescription,
} from '../index.js';

const epoch = (number: number, valAccuracy: number | null): MetricRow => ({
  type: 'epoch',
  step: 10 * number,
  epoch: number,
  trainLoss: 1 / number,
  trainParts: { classification: 1 / number },
  valAccuracy,
  valWeightedF1: valAccuracy,
  valLoss: valAccuracy,
  valPosts: 12,
  seconds: 2,
});

describe('reports', () => {
  it('escape what comes from data', () => {
    expect(htmlTable({ caption: '<i>', head: ['<b>'], rows: [['<script>']] })).not.toMatch(/<(i|b|script)>/);
    expect(htmlPage('<x>', '')).toContain('<title>&lt;x&gt;</title>');
  });

  it('draw lines as SVG and describe them in words', () => {
    const points = [
      { x: 1, y: 50 },
      { x: 2, y: 75 },
    ];
    const lines = [
      { name: 'accuracy', points },
      { name: 'empty', points: [{ x: 1, y: null }] },
    ];
    const html = figure(lineChart('accuracy', 'Accuracy by epoch', lines, { xName: 'epoch', yName: 'percent' }));
    expect(html).toContain('aria-label="Accuracy by epoch. accuracy: from 50.0 at 1 to 75.0 at 2; empty: no values"');
    expect(html).toMatch(/<svg[\s\S]*<path[\s\S]*<\/svg>/);
  });

  it('draw a power as a straight line where axes are logarithmic', () => {
    const points = [1, 10, 100].map((x) => ({ x, y: x ** 2 }));
    const { svg } = lineChart('power', 'A power', [{ name: 'square', points }], { xName: 'x', yName: 'y', log: true });
    const [, path = ''] = /<path d="(M[^"]*)"[^>]*stroke="#2f7fc1"/.exec(svg) ?? [];
    const [first, middle, last] = [...path.matchAll(/([\d.]+) ([\d.]+)/g)].map(([, x, y]) => [Number(x), Number(y)]);
    expect(middle?.map((value, i) => 2 * value - (first?.[i] as number) - (last?.[i] as number))).toEqual([
      expect.closeTo(0, 0),
      expect.closeTo(0, 0),
    ]);
    expect(svg).toContain('>10,000<');
  });

  it('make room for a legend of many names, and leave its ink to the page', () => {
    const named = (count: number) => {
      const lines = Array.from({ length: count }, (_, i) => ({
        name: `a method with a name ${i}`,
        points: [
          { x: 0, y: i },
          { x: 1, y: 1 },
        ],
      }));
      return lineChart('many', 'Many', lines, { xName: 'dr', yName: 'percent' }).svg;
    };
    expect(named(2)).toBe(named(2)); // whatever was drawn before
    expect(named(2)).not.toMatch(/\bzr\d|:hover/);
    const height = (svg: string): number => Number(/<svg [^>]*height="(\d+)"/.exec(svg)?.[1]);
    expect(height(named(12))).toBeGreaterThan(height(named(2)) + 100);
    for (let i = 0; i < 12; i++) expect(named(12)).toContain(`a method with a name ${i}<`);
    expect(named(2)).toContain('currentColor');
    expect(named(2)).toContain('prefers-color-scheme:dark');
  });

  it('hatch bars and dot lines whose color was taken before', () => {
    const bars = (count: number): string =>
      barChart('bars', 'Bars', ['intact'], Array.from({ length: count }, (_, i) => ({ name: `m${i}`, values: [i] })), [], '%').svg; // prettier-ignore
    expect(bars(10)).not.toContain('<pattern');
    expect(bars(12)).toContain('<pattern');
    const lines = (count: number): string[] => {
      const series = Array.from({ length: count }, (_, i) => ({
        name: `m${i}`,
        points: [1, 2].map((x) => ({ x, y: i + x })),
      }));
      const { svg } = lineChart('lines', 'Lines', series, { xName: 'x', yName: 'y' });
      return [...svg.matchAll(/<path [^>]*stroke-dasharray[^>]*stroke="#2f7fc1"|<path [^>]*stroke="#2f7fc1"[^>]*stroke-dasharray/g)].map(([path]) => path); // prettier-ignore
    };
    expect(lines(10)).toHaveLength(0);
    expect(lines(11).length).toBeGreaterThan(0);
  });

  it('say what rounds to nothing without a sign', () => {
    const rows = [{ name: 'hsan', low: -0.5, value: -0.01, high: 0.4 }];
    expect(intervalChart('differences', 'Differences', rows, 'points').description).toBe(
      'Differences. hsan: 0.0, from -0.5 to 0.4',
    );
  });

  const config = parseExperiment({ name: 'mine', dataset: { name: 'embedded' } }, 'mine');
  const description: RunDescription = {
    config,
    classes: ['a', 'b'],
    encoders: { image: 'i', text: 't' },
    shapes: { imageDim: 2, textDim: 2, classes: 2 },
    engine: 'eager:cpu',
    versions: { node: 'v20', platform: 'linux', packages: {}, git: null },
    createdAt: '',
  };
  const ledger: LedgerReport = {
    source: 'posts.csv',
    rows: 26,
    kept: 24,
    dropped: 2,
    undecoded: 1,
    reasons: [
      { reason: 'bad row', count: 1, ids: ['7'], rows: [{ id: '7', reason: 'bad row', detail: '<odd>' }] },
      { reason: 'undecodable image', count: 1, ids: ['8'], rows: [] },
    ],
    notes: [],
  };
  const best: BestCheckpoint = {
    checkpoint: 'step-20.safetensors',
    epoch: 2,
    step: 20,
    score: 0.75,
    selection: 'best-accuracy',
    validation: {
      posts: 12,
      accuracy: 0.75,
      classes: [
        { support: 8, predicted: 9, right: 7 },
        { support: 4, predicted: 3, right: 2 },
      ],
    },
  };

  it('tell result, data, classes, epochs and configuration of a run, and need no network', () => {
    const page = trainingReport({
      description,
      rows: [epoch(1, 0.5), epoch(2, 0.75)],
      ledger,
      best,
      calibration: {
        format: CALIBRATION_FORMAT,
        checkpoint: 'step-20.safetensors',
        temperature: { temperature: 1, before: 0.5, after: 0.5, posts: 12, basis: 'few-posts' },
        quality: null,
      },
      splits: { train: 8, val: 12, test: 4 },
      warnings: ['beware'],
      links: [{ words: 'Evaluation: test', href: 'eval/test/report.html' }],
    }).replaceAll('\u00a0', ' ');
    expect(page).toContain('<p>The model is right on 9 of 12 validation posts, 75 %; the true value lies between 47 and 91 % with 95 % confidence. Always'); // prettier-ignore
    expect(page).toContain('not calibrated: 12 validation posts cannot tell how sure to be (30 can).');
    expect(page).toContain('1 of them was left out only while encoding.');
    expect(page).toContain('8 posts were trained on, 12 are for validation and 4 for testing.');
    expect(page).toContain('the result is epoch 2 (best-accuracy).');
    expect(page).toContain('<li>beware</li>');
    expect(page).toContain('<a href="eval/test/report.html">Evaluation: test</a>');
    expect(page).toContain('dropped: bad row');
    expect(page).toContain('&lt;odd&gt;');
    expect(page).toMatch(/<th scope="row">b<\/th><td>66.7<\/td><td>50.0<\/td><td>57.1<\/td><td>4<\/td><td>3<\/td>/);
    expect(page).toMatch(
      /<details><summary>All options[^<]*<\/summary><pre tabindex="0">[^<]*&quot;name&quot;: &quot;mine&quot;/,
    );
    expect(page.indexOf('id="data"')).toBeLessThan(page.indexOf('id="curves"'));
    expect(page).not.toMatch(/<script|(src|href)="(https?:)?\/\//);
  });

  it('say when no epoch has ended, or there was no validation', () => {
    const nothing = { source: 's', rows: 0, kept: 0, dropped: 0, reasons: [], notes: [] };
    const facts = { description, rows: [], ledger: nothing, best: undefined, calibration: null };
    expect(trainingReport(facts)).toContain('No epoch has ended yet.');
    const last: BestCheckpoint = { checkpoint: 'x', epoch: 1, step: 10, score: 1, selection: 'last' };
    const unvalidated = trainingReport({ ...facts, rows: [epoch(1, null)], best: last });
    expect(unvalidated).toContain('There was no validation: nothing can be said of how good the model is.');
    expect(unvalidated).not.toContain('Validation accuracy and weighted F1');
  });

  it('of earlier runs, which know no classes, give the accuracy', () => {
    const former: BestCheckpoint = { ...best, validation: null };
    const facts = { description, rows: [epoch(2, 0.75)], ledger, best: former, calibration: null };
    expect(trainingReport(facts).replaceAll('\u00a0', ' ')).toContain(
      'Validation accuracy 75.0 % of 12 posts (95 % interval: 46.8 to 91.1 %).',
    );
  });

  it('link to the evaluations that lie in the run by then', async () => {
    const run = await RunFolder.create(await mkdtemp(join(tmpdir(), 'drf-report-')), { overwrite: true });
    await run.writeDescription(description);
    await writeTrainingReport(run, ledger);
    const read = () => readFile(run.file('report.html'), 'utf8');
    expect(await read()).not.toContain('eval/');
    await mkdir(run.file('eval', 'my test & more'), { recursive: true });
    await writeFile(run.file('eval', 'my test & more', 'report.html'), '');
    await linkEvaluations(run);
    expect(await read()).toContain(
      '<a href="eval/my%20test%20%26%20more/report.html">Evaluation: my test &amp; more</a>',
    );
    const once = await read();
    await linkEvaluations(run);
    expect(await read()).toBe(once);
    await rm(run.path, { recursive: true });
  });

  it('explain the words of their tables, and name rows in words', () => {
    const table = { caption: 'Scores', head: ['cell', 'accuracy'], rows: [['fixed:image:C', '75.0'], ['clean', '80.0']] }; // prettier-ignore
    const html = htmlTable(table, { words: cellWords });
    expect(html).toContain(
      '<th scope="row">image corrupted <small class="code">fixed:image:C</small></th><td>75.0</td>',
    );
    expect(html).toContain('<abbr title="Share of the posts that are answered rightly.">accuracy</abbr>');
    expect(termsIn(['macro F1', 'fixed:text:C+D', 'drf-paper']).map(([word]) => word)).toEqual(['F1', 'macro F1', 'fixed:image:C', 'C+D', 'drf-paper']); // prettier-ignore
    expect(legend([['<a>', 'b']])).toContain('<dt>&lt;a&gt;</dt><dd>b</dd>');
    expect(['distributionTextToImage', 'labelContrastive'].map(lossWords)).toEqual(['image recovery, overall', 'label contrastive']); // prettier-ignore
  });
});
