import { describe, expect, it } from 'vitest';
import { EvaluatedRuns, groupRuns, summaryCsv, summaryText, type RunMember, type RunsSummary } from './runs.js';
import { syntheticCell, syntheticConfig, syntheticRecord, syntheticResult } from './testing/synthetic.js';

const encoders = { image: 'an-image-encoder', text: 'a-text-encoder' };
const member = (path: string, overrides: Record<string, unknown>): RunMember => ({
  path,
  config: syntheticConfig(overrides),
  encoders,
});
const labels = (...members: RunMember[]): [string, number][] =>
  groupRuns(members).map((group) => [group.label, group.members.length]);

describe('groupRuns', () => {
  it('puts seeds together and methods and training disruptions apart', () => {
    expect(
      labels(
        member('a', { seed: 0, name: 'first' }),
        member('b', { seed: 0, method: 'concatenation' }),
        member('c', { seed: 1, name: 'second', dataset: { name: 'mvsa-single', root: 'elsewhere' } }),
        member('d', { seed: 0, training: { disruption: 'random:0.6:C+D' } }),
        member('e', { seed: 0, model: { ablations: { pairExpansion: false } } }),
      ),
    ).toEqual([
      ['drf', 2],
      ['concatenation', 1],
      ['drf, trained on random:0.6:C+D', 1],
      ['drf, no-pair-expansion', 1],
    ]);
  });

  it('names the options in which groups of one method differ', () => {
    expect(labels(member('a', {}), member('b', { model: { weighting: 'relative', converterHidden: 8 } }))).toEqual([
      ['drf; model.converterHidden default, model.weighting normalized', 1],
      ['drf; model.converterHidden 8, model.weighting relative', 1],
    ]);
  });

  it('takes seeds together whose splits were drawn anew, and other posts apart', () => {
    const drawn = { name: 'mvsa-single', splitSeed: 1, splits: 'splits-1' };
    expect(
      labels(
        member('a', {}),
        member('b', { seed: 1, dataset: { ...drawn, root: 'elsewhere' } }),
        member('c', { seed: 1, dataset: { ...drawn, root: 'elsewhere', limit: 40 } }),
      ),
    ).toEqual([
      ['drf; dataset.limit default', 2],
      ['drf; dataset.limit 40', 1],
    ]);
  });

  it('refuses a seed twice, naming both runs', () => {
    expect(() => groupRuns([member('a', { seed: 3 }), member('b', { seed: 3 })])).toThrow(
      'eval expected each seed of a method once, received seed 3 in a and in b; leave one of the two out',
    );
  });

  it('keeps runs with other encoders apart', () => {
    const other = { ...member('b', { seed: 1 }), encoders: { ...encoders, image: 'another' } };
    expect(labels(member('a', {}), other)).toEqual([
      ['drf; encoders.image an-image-encoder', 1],
      ['drf; encoders.image another', 1],
    ]);
  });

  it('takes the folds of a cross-validation together where all are there', () => {
    const fold = (place: number): RunMember =>
      member(`fold${place}`, { dataset: { name: 'mvsa-single', root: 'data', folds: 2, fold: place } });
    expect(labels(fold(1), fold(2))).toEqual([['drf', 2]]);
    expect(groupRuns([fold(1), fold(2)])[0]?.isFolded).toBe(true);
    expect(groupRuns([fold(1)])[0]?.isFolded).toBe(false);
  });
});

interface SyntheticRun {
  readonly method: 'drf' | 'concatenation';
  readonly seed: number;
  /** Posts of ten that are answered rightly when intact. */
  readonly right: number;
  readonly postsHash?: string;
  readonly disruption?: string;
}

const run = (
  method: SyntheticRun['method'],
  seed: number,
  right: number,
  { postsHash = 'posts', disruption = 'none' } = {},
): SyntheticRun => ({ method, seed, right, postsHash, disruption });

async function summarize(...runs: SyntheticRun[]): Promise<{ summary: RunsSummary; html: string }> {
  return summarizeAgainst(undefined, ...runs);
}

async function summarizeAgainst(
  reference: string | undefined,
  ...runs: SyntheticRun[]
): Promise<{ summary: RunsSummary; html: string }> {
  const made = runs.map(({ method, seed, right, postsHash, disruption }) => {
    const path = `${method}-${seed}-${disruption}`;
    const config = syntheticConfig({ method, seed, training: { disruption } });
    const cells = [
      syntheticCell('clean', right),
      syntheticCell('random:1:C+D', right - 2),
      syntheticCell('random:0.2:C+D', right),
      syntheticCell('random:0.5:C+D', right - 1),
    ];
    return {
      member: { path, config, encoders },
      result: syntheticResult(cells, { run: { path, seed }, evaluation: { seed, dataset: 'mvsa-single' } }),
      record: syntheticRecord(config, path, cells, { hash: postsHash }),
    };
  });
  const evaluated = new EvaluatedRuns(made.map((own) => own.member));
  try {
    for (const { result, record } of made) evaluated.add(result, record);
    return await evaluated.summarize(reference);
  } finally {
    evaluated.close();
  }
}

describe('EvaluatedRuns', () => {
  it('gives mean, standard deviation and interval over seeds', async () => {
    const { groups } = (await summarize(run('drf', 0, 6), run('drf', 1, 8))).summary;
    const clean = groups[0]?.cells[0];
    expect(clean?.accuracy.mean).toBeCloseTo(0.7, 12);
    expect(clean?.accuracy.standardDeviation).toBeCloseTo(Math.sqrt(0.02), 12);
    expect(clean?.accuracy.interval?.high).toBeCloseTo(0.7 + 12.706204736 * 0.1, 6); // t of one degree of freedom
    expect(groups[0]?.curves[0]?.drop?.mean).toBeCloseTo(0.2, 12);
    expect(groups[0]?.curves[0]?.area?.mean).toBeCloseTo(0.61, 12);
  });

  it('calls a method better only where both intervals and the corrected p-value say so', async () => {
    const wide = await summarize(
      ...[8, 7].map((right, seed) => run('drf', seed, right)),
      ...[7, 7].map((right, seed) => run('concatenation', seed, right)),
    );
    const [clean] = comparisonsOf(wide.summary, 'table-3');
    expect(clean).toMatchObject({ first: { method: 'drf' }, second: { method: 'concatenation' }, seeds: 2 });
    expect(clean?.difference).toBeCloseTo(0.05, 12);
    expect(clean?.verdict).toBeNull();
    const narrow = await summarize(
      ...[10, 9, 10].map((right, seed) => run('drf', seed, right)),
      ...[3, 2, 3].map((right, seed) => run('concatenation', seed, right)),
    );
    expect(comparisonsOf(narrow.summary, 'one-model-none').map(({ verdict }) => verdict)).toEqual([
      'better',
      'better',
      'better',
    ]);
  });

  it('pairs by seed, and only where posts are the same', async () => {
    const runs = [run('drf', 0, 8), run('drf', 2, 8), run('concatenation', 2, 7), run('concatenation', 0, 6)];
    expect(comparisonsOf((await summarize(...runs)).summary, 'table-3')[0]?.seeds).toBe(2);
    const other = run('concatenation', 0, 6, { postsHash: 'others' });
    expect(comparisonsOf((await summarize(run('drf', 0, 8), other)).summary, 'table-3')).toEqual([]);
  });

  it('notes a reference that none of the runs is of', async () => {
    const { notes } = (await summarizeAgainst('mvan', run('drf', 0, 6), run('concatenation', 0, 6))).summary;
    expect(notes).toEqual(['--reference "mvan" is none of the methods here: drf, concatenation']);
  });

  it('notes seeds on different posts', async () => {
    const { summary } = await summarize(run('drf', 0, 8), run('drf', 1, 8, { postsHash: 'others' }));
    expect(summary.notes).toEqual(['drf: the seeds were evaluated on different posts']);
  });

  it('joins models that were trained and tested at the same ratio', async () => {
    const disruption = 'random:1:C+D';
    const fifth = { disruption: 'random:0.2:C+D:independent' }; // an earlier run's: the ratio counts
    const runs = [run('drf', 0, 8), run('drf', 1, 6), run('drf', 0, 7, fifth), run('drf', 0, 7, { disruption })];
    const { summary } = await summarize(...runs);
    const [table] = summary.tables.find(({ id }) => id === 'figure-5')?.tables ?? [];
    expect(table?.head.slice(0, 4)).toEqual(['method', 'dr 0', 'dr 0.2', 'dr 1']);
    // dr 0: mean of 8 and 6 of 10; dr 1: the cell random:1:C+D of the model trained so, 5 of 10
    expect(table?.rows[0]).toEqual(['drf', '70.0 ± 14.1', '70.0', '50.0', '63.0', '20.0', '4.48', '6.72–9.53']);
  });

  it('has no curve of runs of one ratio', async () => {
    const { summary } = await summarize(run('drf', 0, 8), run('drf', 1, 8));
    expect(summary.tables.map(({ id }) => id)).toEqual(['table-3', 'one-model-none', 'robustness', 'cost']);
  });
});

function comparisonsOf({ tables }: RunsSummary, id: string) {
  return tables.find((table) => table.id === id)?.comparisons ?? [];
}

it('a summary says beside its name what a drf-paper that departs from the letter does', async () => {
  const notes = async (model: object): Promise<readonly string[]> => {
    const config = syntheticConfig({ method: 'drf-paper', model: { dim: 8, ...model } });
    const cells = [syntheticCell('clean', 6)];
    const runs = new EvaluatedRuns([{ path: 'one', config, encoders }]);
    runs.add(syntheticResult(cells, { run: { path: 'one' } }), syntheticRecord(config, 'one', cells));
    const { summary } = await runs.summarize();
    runs.close();
    return summary.notes;
  };
  expect(await notes({})).toEqual([]);
  expect(await notes({ weighting: 'normalized' })).toEqual([
    'drf-paper is not the paper to the letter here: weighting normalized.',
  ]);
});

describe('reports of a summary', async () => {
  const runs = [run('drf', 0, 8), run('drf', 1, 7), run('concatenation', 0, 7), run('concatenation', 1, 7)];
  const { summary, html } = await summarize(...runs);

  it('prints means, differences and verdicts', () => {
    const text = summaryText(summary);
    expect(text).toContain('drf: seeds 0, 1\n');
    expect(text).toMatch(/drf +│ +2 │ 75\.0 ± 7\.1 \(76\.5\) │/);
    expect(text).toContain('drf against the others, 1 comparison: better in 0, worse in 0, undecided in 1.');
    expect(text).toMatch(/drf +│ concatenation │ clean │ +2 │ +\+5\.0 │ 0\.0 to \+20\.0 +│/);
    expect(text).toMatch(
      /drf +│ 75\.0 ± 7\.1 │ 75\.0 ± 7\.1 │ .* │ 66\.0 ± 7\.1 │ 20\.0 ± 0\.0 │ +4\.48 │ 6\.72–9\.53/,
    );
  });

  it('says where figures of the paper come from', () => {
    const paper = { accuracy: 0.765, weightedF1: 0.759 };
    const groups = summary.groups.map((group) => ({
      ...group,
      cells: group.cells.map((cell) => ({ ...cell, paper })),
    }));
    const line = 'with ViT-B/16 and BERT-base fine-tuned; here encoders are frozen.\n';
    expect(summaryText({ ...summary, groups })).toContain(line);
    expect(summaryText(summary)).not.toContain(line);
  });

  it('draws a page', () => {
    expect(html).toContain('One model under every disruption, trained on intact posts');
    expect(html).not.toMatch(/src=|href="(?!#|data:)|url\((?!#)/);
  });

  it('writes a row a group and cell, with the comparison in which it stands second', () => {
    const lines = summaryCsv(summary).trimEnd().split('\r\n');
    expect(lines).toHaveLength(1 + 2 * 4);
    expect(lines[0]).toMatch(/,first,firstLessThis,differenceLow,differenceHigh,pCorrected,firstIs$/);
    expect(lines[1]).toMatch(/^drf,0 1,clean,0\.75,/);
    expect(lines[5]).toMatch(/^concatenation,0 1,clean,0\.7,.*,drf,0\.05\d*,/);
  });
});
