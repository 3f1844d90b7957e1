import { describe, expect, it } from 'vitest';
import { verdict, type RunResult } from './comparison.js';
import { groupRuns } from './groups.js';
import { matchedCurves } from './matched-curve.js';
import { summarizeGroups } from './summary.js';
import { summaryCsv, summaryHtml, summaryText } from './summary-report.js';
import { syntheticCell, syntheticConfig, syntheticResult } from './testing/synthetic.js';

const run = (
  method: 'drf' | 'concatenation',
  seed: number,
  right: number,
  { postsHash = 'posts', disruption = 'none' } = {},
): RunResult => ({
  path: `${method}-${seed}`,
  config: syntheticConfig({ method, seed, training: { disruption } }),
  encoders: { image: 'an-image-encoder', text: 'a-text-encoder' },
  result: syntheticResult(
    [
      syntheticCell('clean', right),
      syntheticCell('random:1:C+D', right - 2),
      syntheticCell('random:0.2:C+D', right),
      syntheticCell('random:0.5:C+D', right - 1),
    ],
    { run: { path: `${method}-${seed}`, seed }, evaluation: { postsHash, seed, dataset: 'mvsa-single' } },
  ),
});
const summarize = (...runs: RunResult[]) => summarizeGroups(groupRuns(runs));

describe('summarizeGroups', () => {
  it('gives mean, standard deviation and interval over seeds', () => {
    const { groups } = summarize(run('drf', 0, 6), run('drf', 1, 8));
    const clean = groups[0]?.cells[0];
    expect(clean?.accuracy.mean).toBeCloseTo(0.7, 12);
    expect(clean?.accuracy.standardDeviation).toBeCloseTo(Math.sqrt(0.02), 12);
    expect(clean?.accuracy.interval?.high).toBeCloseTo(0.7 + 12.706204736 * 0.1, 6); // t of one degree of freedom
    expect(groups[0]?.curves[0]?.drop?.mean).toBeCloseTo(0.2, 12);
    expect(groups[0]?.curves[0]?.area.mean).toBeCloseTo(0.61, 12);
  });

  it('says beside its name what a drf-paper that departs from the letter does', () => {
    const own = run('drf', 0, 6);
    const notes = (model: object) => {
      const config = syntheticConfig({ method: 'drf-paper', model: { dim: 8, ...model } });
      return summarize({ ...own, config }).notes;
    };
    expect(notes({})).toEqual([]);
    expect(notes({ weighting: 'normalized' })).toEqual([
      'drf-paper is not the paper to the letter here: weighting normalized.',
    ]);
  });

  it('calls a method better only where the paired interval leaves out 0', () => {
    const wide = summarize(run('drf', 0, 8), run('drf', 1, 7), run('concatenation', 0, 7), run('concatenation', 1, 7));
    expect(wide.comparisons[0]).toMatchObject({ first: 'drf', second: 'concatenation', seeds: [0, 1] });
    expect(wide.comparisons[0]?.cells[0]?.accuracy.mean).toBeCloseTo(0.05, 12);
    expect(wide.comparisons[0]?.cells[0]?.better).toBe('undecided');
    const narrow = summarize(
      ...[9, 8, 9].map((right, seed) => run('drf', seed, right)),
      ...[7, 6, 7].map((right, seed) => run('concatenation', seed, right)),
    );
    expect(narrow.comparisons[0]?.cells.map(({ better }) => better)).toEqual(['first', 'first', 'first', 'first']);
  });

  it('pairs by seed, and only where posts are the same', () => {
    const runs = [run('drf', 0, 8), run('drf', 2, 8), run('concatenation', 2, 7), run('concatenation', 0, 6)];
    expect(summarize(...runs).comparisons[0]?.seeds).toEqual([0, 2]);
    const other = run('concatenation', 0, 6, { postsHash: 'others' });
    expect(summarize(run('drf', 0, 8), other).comparisons).toEqual([]);
  });

  it('notes seeds on different posts', () => {
    const { notes } = summarize(run('drf', 0, 8), run('drf', 1, 8, { postsHash: 'others' }));
    expect(notes).toEqual(['drf: the seeds were evaluated on different posts']);
  });
});

it('verdict claims nothing without an interval', () => {
  expect(verdict({ interval: null })).toBe('undecided');
  expect(verdict({ interval: { low: -0.2, high: -0.1, confidence: 0.95 } })).toBe('second');
  expect(verdict({ interval: { low: 0, high: 0.1, confidence: 0.95 } })).toBe('undecided');
});

describe('matchedCurves', () => {
  it('joins models that were trained and tested at the same ratio', () => {
    const disruption = 'random:1:C+D';
    const fifth = { disruption: 'random:0.2:C+D:independent' }; // an earlier run's: the ratio counts
    const runs = [run('drf', 0, 8), run('drf', 1, 6), run('drf', 0, 7, fifth), run('drf', 0, 7, { disruption })];
    const [curve] = matchedCurves(runs);
    expect(curve).toMatchObject({ method: 'drf', setting: 'C+D' });
    // dr 0: mean of 8 and 6 of 10; dr 1: the cell random:1:C+D of the model trained so, 5 of 10
    expect(curve?.points.map(({ ratio, accuracy }) => [ratio, accuracy.mean])).toEqual([
      [0, 0.7],
      [0.2, 0.7],
      [1, 0.5],
    ]);
    expect(curve?.drop).toBeCloseTo(0.2, 12);
    expect(curve?.area).toBeCloseTo(0.62, 12);
    expect(curve?.paperDrop?.drf).toBeCloseTo(0.0448, 12);
  });

  it('is nothing for runs of one ratio', () => {
    expect(matchedCurves([run('drf', 0, 8), run('drf', 1, 8)])).toEqual([]);
  });
});

describe('reports of a summary', () => {
  const runs = [run('drf', 0, 8), run('drf', 1, 7), run('concatenation', 0, 7), run('concatenation', 1, 7)];
  const summary = { ...summarize(...runs), matched: matchedCurves(runs) };

  it('prints means, differences and verdicts', () => {
    const text = summaryText(summary);
    expect(text).toContain('drf: mean ± standard deviation over seeds 0, 1 (percent)');
    expect(text).toMatch(/clean +│ +75\.0 ± 7\.1/);
    expect(text).toContain('drf less concatenation, paired over seeds 0, 1 (percentage points)');
    expect(text).toMatch(/clean +│ +5\.00 │ -58\.53 to 68\.53/);
    expect(text).toContain('not shown');
    expect(text).toMatch(/drf +│ C\+D +│ 66\.0 ± 7\.1 │ 20\.0 ± 0\.0 │ +4\.48 │ 6\.72–9\.53/);
  });

  it('draws a page', () => {
    const html = summaryHtml(summary);
    expect(html).toContain('Mean accuracy against the share of disrupted posts, setting C+D');
    expect(html).not.toContain('paper: DRF, C+D'); // its text gives no point of the curve
    expect(html).not.toMatch(/<script|src=|href=|url\((?!#)/);
  });

  it('writes a row a group and cell', () => {
    const lines = summaryCsv(summary).trimEnd().split('\r\n');
    expect(lines).toHaveLength(1 + 2 * 4);
    expect(lines[1]).toMatch(/^drf,0 1,clean,0\.75,/);
  });
});
