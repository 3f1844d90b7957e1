import { parseExperiment } from '@drf/experiment';
import { describe, expect, it } from 'vitest';
import type { HalvingOptions } from './halving.js';
import type { TrialResult } from './journal.js';
import { parseSearch, sampleValues, valuesOf } from './space.js';
import { describeTuning, standings, type TuneSummary } from './summary.js';
import { trialsCsv, tuneReport, tuneSentences, tuneText } from './tune-report.js';

const space = ['training.learning-rate=1e-5..1e-3:log', 'model.dim=64,128'].map(parseSearch);
const base = parseExperiment(
  { name: 'posts', dataset: { name: 'embedded' }, model: { dim: 64 }, training: { epochs: 6, learningRate: 1e-4 } },
  'posts',
);
const halving: HalvingOptions = { eta: 3, rungs: 2, trainings: 12, ownMayWin: true };
const facts = {
  ...{ encoders: { image: '', text: '' }, engine: '', trainingData: '', evaluatedData: '', split: 'val', notes: [] },
  posts: { train: 300, val: 100, evaluated: 100 },
};

const result = (trial: number, rung: number, accuracy: number | null, failure: string | null = null): TrialResult => ({
  ...{ trial, rung, accuracy, failure, score: accuracy, loss: 1, epochs: 2 + 4 * rung, bestEpoch: 1, posts: 100 },
  ...{ seconds: 2, at: 10 * rung + trial },
});

function summaryOf(results: readonly TrialResult[], outcome: TuneSummary['outcome'] = 'finished'): TuneSummary {
  return describeTuning({
    outcome,
    base,
    space,
    valuesOf: (trial) => (trial === 0 ? valuesOf(space, base) : sampleValues(space, trial - 1, 0)),
    fullEpochsOf: () => 6,
    results,
    halving,
    facts,
    folder: 'runs/tune/posts',
    command: ['pnpm', 'train', '--data', "it's mine.csv"],
    limits: { trainings: 12, seconds: null },
    seconds: 90,
  });
}

const first = Array.from({ length: 12 }, (_, trial) => result(trial, 0, 0.5 + trial / 100));
const whole = [result(0, 1, 0.6), result(11, 1, 0.64), result(10, 1, 0.62)];

describe('the report of a tuning', () => {
  it('says how good, how sure, and what luck alone would do', () => {
    const summary = summaryOf([...first, ...whole]);
    expect(summary.best).toMatchObject({ trial: 11, run: 'runs/tune/posts/best' });
    const text = tuneSentences(summary).join(' ');
    expect(text).toContain('The best options reach 64.0 % validation accuracy.');
    expect(text).toContain('12 trials were compared on 100 validation posts in 1 min 30 s; the best 1 of 3 went on');
    expect(text).toContain('and 3 were trained in full.');
    expect(text).toContain('The experiment’s own options reach 60.0 %, 4.0 points less. Luck alone can make such a difference.'); // prettier-ignore
    expect(summary.caution?.standardError).toBeCloseTo(0.048, 12); // √(0.64 · 0.36 / 100)
    expect(text).toContain('has a standard error of 4.8 points');
  });

  it('calls a gain by its name where luck cannot make it, and none where there is none', () => {
    const large = tuneSentences(summaryOf([...first, result(0, 1, 0.3), result(11, 1, 0.64)])).join(' ');
    expect(large).toContain('reach 30.0 %, 34.0 points less.');
    expect(large).not.toContain('Luck alone can make');
    const none = summaryOf([...first, result(0, 1, 0.7), result(11, 1, 0.64)]);
    expect(tuneSentences(none).join(' ')).toContain('They are the experiment’s own options');
    expect(none.best?.command).toBe(`pnpm train --data 'it'\\''s mine.csv'`);
  });

  it('gives the command that trains the winner again, for a shell', () => {
    const { best } = summaryOf([...first, ...whole]);
    const rate = String(best?.options['training.learning-rate']);
    expect(best?.command).toBe(
      `pnpm train --data 'it'\\''s mine.csv' --training.learning-rate ${rate} --model.dim ${String(best?.options['model.dim'])}`,
    );
  });

  it('says that an interrupted tuning goes on, and of failures where they are listed', () => {
    const summary = summaryOf([result(0, 0, 0.5), result(1, 0, null, '<b>NaN</b> & "loss"')], 'interrupted');
    expect(summary).toMatchObject({ best: null, caution: null, importance: [] });
    const text = tuneText(summary);
    expect(text).toContain('The tuning was interrupted; the same command goes on.');
    expect(text).toContain('One trial failed; trials.csv says why.');
    expect(text).not.toContain('Best run');
    expect(trialsCsv(summary)).toContain('<b>NaN</b> & ""loss""');
    expect(standings(summary).map(({ trial }) => trial)).toEqual([0, 1]);
    expect(tuneReport(summary)).not.toContain('<b>NaN</b>');
  });

  it('draws every option and lists every trial', () => {
    const page = tuneReport(summaryOf([...first, ...whole]));
    for (const { name } of space) expect(page).toContain(`Validation accuracy by ${name}`);
    expect(page).toContain('11 (best)');
    expect(page).toContain('Careful: 12 trials for 2 options are few');
    expect(page).not.toContain('NaN');
    const rows = trialsCsv(summaryOf([...first, ...whole]))
      .trim()
      .split('\r\n');
    expect(rows).toHaveLength(1 + 15);
    expect(rows[0]).toMatch(/^trial,rung,epochs,.*,training\.learning-rate,model\.dim$/);
  });
});
