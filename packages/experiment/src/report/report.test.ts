import { describe, expect, it } from 'vitest';
import {
  escapeHtml,
  figure,
  htmlPage,
  htmlTable,
  lineChart,
  parseExperiment,
  trainingReport,
  type MetricRow,
} from '../index.js';
import { CALIBRATION_FORMAT } from '@drf/judge';

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
    expect(escapeHtml(`<a href="x">'&`)).toBe('&lt;a href=&quot;x&quot;&gt;&#39;&amp;');
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
    const height = (svg: string): number => Number(/<svg [^>]*height="(\d+)"/.exec(svg)?.[1]);
    expect(height(named(12))).toBeGreaterThan(height(named(2)) + 100);
    for (let i = 0; i < 12; i++) expect(named(12)).toContain(`a method with a name ${i}<`);
    expect(named(2)).toContain('currentColor');
    expect(named(2)).toContain('prefers-color-scheme:dark');
  });

  it('tell result, epochs, data and configuration of a run, and need no network', () => {
    const config = parseExperiment({ name: 'mine', dataset: { name: 'embedded' } }, 'mine');
    const page = trainingReport(
      {
        config,
        classes: ['a', 'b'],
        encoders: { image: 'i', text: 't' },
        shapes: { imageDim: 2, textDim: 2, classes: 2 },
        engine: 'eager:cpu',
        versions: { node: 'v20', platform: 'linux', packages: {}, git: null },
        createdAt: '',
      },
      [epoch(1, 0.5), epoch(2, 0.75)],
      {
        source: 'posts.csv',
        rows: 5,
        kept: 4,
        dropped: 1,
        reasons: [{ reason: 'bad row', count: 1, ids: ['7'], rows: [] }],
        notes: [],
      },
      { checkpoint: 'step-20.safetensors', epoch: 2, step: 20, score: 0.75, selection: 'best-accuracy' },
      {
        format: CALIBRATION_FORMAT,
        checkpoint: 'step-20.safetensors',
        temperature: { temperature: 1, before: 0.5, after: 0.5, posts: 12, basis: 'few-posts' },
        quality: null,
      },
    );
    expect(page).toContain(
      'Result: epoch 2 (best-accuracy), validation accuracy 75.0 % of 12 posts (95 % interval: 46.8 to 91.1 %), weighted F1 75.0 %.',
    );
    expect(page).toContain('not calibrated: 12 validation posts cannot tell how sure to be (30 can).');
    expect(page).toContain('dropped: bad row');
    expect(page).toContain('&quot;name&quot;: &quot;mine&quot;');
    expect(page).not.toMatch(/<script|(src|href)="(https?:)?\/\//);
  });

  it('say when no epoch has ended, or there was no validation', () => {
    const config = parseExperiment({ name: 'mine', dataset: { name: 'embedded' } }, 'mine');
    const description = {
      config,
      classes: ['a', 'b'],
      encoders: { image: 'i', text: 't' },
      shapes: { imageDim: 2, textDim: 2, classes: 2 },
      engine: 'eager:cpu',
      versions: { node: 'v20', platform: 'linux', packages: {}, git: null },
      createdAt: '',
    };
    const ledger = { source: 's', rows: 0, kept: 0, dropped: 0, reasons: [], notes: [] };
    expect(trainingReport(description, [], ledger, undefined, null)).toContain('No epoch has ended yet.');
    const best = { checkpoint: 'x', epoch: 1, step: 10, score: 1, selection: 'last' } as const;
    expect(trainingReport(description, [epoch(1, null)], ledger, best, null)).toContain(
      'epoch 1 (last), without validation',
    );
  });
});
