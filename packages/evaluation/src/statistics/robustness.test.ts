import { parseExperiment, type ExperimentConfig } from '@drf/experiment';
import { describe, expect, it } from 'vitest';
import { parseCell } from '../cells.js';
import type { StoredCell } from '../store/records.js';
import type { Study } from './compare.js';
import {
  beyondQuestions,
  corruptionTables,
  effectiveRobustness,
  isSimulated,
  missingTables,
  relativeRobustness,
  robustnessTable,
  severityCurve,
  severityStudies,
} from './robustness.js';

const logistic = (x: number): number => 1 / (1 + Math.exp(-x));
const logit = (p: number): number => Math.log(p / (1 - p));

describe('relativeRobustness', () => {
  it('is what is left of the clean accuracy', () => {
    expect(relativeRobustness({ clean: 0.8, disrupted: 0.6 })).toBeCloseTo(0.75, 12);
    expect(relativeRobustness({ clean: 0, disrupted: 0.1 })).toBeNull();
  });
});

describe('effectiveRobustness', () => {
  const onLine = [0.5, 0.6, 0.7, 0.8].map((clean) => ({ clean, disrupted: logistic(0.9 * logit(clean) - 0.4) }));

  it('is nothing on the line of the standard models, and the distance from it elsewhere', () => {
    const of = effectiveRobustness(onLine);
    for (const point of onLine) expect(of?.(point)).toBeCloseTo(0, 12);
    expect(of?.({ clean: 0.75, disrupted: logistic(0.9 * logit(0.75) - 0.4) + 0.05 })).toBeCloseTo(0.05, 12);
    expect(of?.({ clean: 0.9, disrupted: 0.5 })).toBeCloseTo(0.5 - logistic(0.9 * logit(0.9) - 0.4), 12);
  });

  it('sums to about nothing over models that lie off the line', () => {
    const points = [
      { clean: 0.6, disrupted: 0.55 },
      { clean: 0.65, disrupted: 0.5 },
      { clean: 0.7, disrupted: 0.62 },
    ];
    const own = points.map((point) => effectiveRobustness(points)?.(point) ?? Number.NaN);
    expect(Math.abs(own.reduce((sum, value) => sum + value, 0))).toBeLessThan(0.005);
    expect(own[1]).toBeLessThan(0);
  });

  it('needs three models that differ, and takes accuracies of 0 and 1', () => {
    expect(effectiveRobustness(onLine.slice(0, 2))).toBeUndefined();
    expect(effectiveRobustness(onLine.map(({ disrupted }) => ({ clean: 0.5, disrupted })))).toBeUndefined();
    const extreme = [{ clean: 1, disrupted: 0 }, ...onLine];
    expect(Number.isFinite(effectiveRobustness(extreme)?.({ clean: 0, disrupted: 1 }))).toBe(true);
  });
});

/** A cell with an accuracy. */
function cell(method: string, name: string, accuracy: number): StoredCell {
  return {
    ...parseCell(name),
    experiment: 'tiny',
    dataset: 'embedded',
    split: 'test',
    method,
    without: null,
    posts: 100,
    accuracy,
    weightedF1: accuracy,
    imageAuroc: null,
    textAuroc: null,
    postsKey: 'posts',
    disruptionKey: name,
    rows: [{ id: 0, trainingId: 0, postListId: 0, manifestId: null, posts: 100 }],
  };
}

const study = (cells: readonly StoredCell[]): Study => ({
  experiment: 'tiny',
  dataset: 'embedded',
  split: 'test',
  cells,
});
const simulates = ({ method }: StoredCell): boolean => method === 'drf' || method.endsWith('+simulation');
const whole = (...methods: string[]) => methods.map((method) => ({ method, without: null }));

describe('isSimulated', () => {
  it.each<[string, string, object | undefined, boolean, object?]>([
    ['drf', 'none', undefined, true],
    ['drf', 'none', { share: 0 }, false],
    ['drf', 'random:0.6:C', {}, true, { discriminants: 0.5 }],
    ['drf', 'random:0.6:C', {}, false, { discriminants: 0 }],
    ['clmlf', 'random:0.6:C', {}, true, { discriminants: 0.5 }], // as clmlf+discriminants
    ['drf-adapted', 'none', {}, false],
    ['clmlf', 'none', undefined, false],
    ['clmlf', 'none', { share: 0.5 }, true], // as clmlf+simulation, or where all methods are told to
  ])('goes by the options: %s on %s with %j: %s', (method, disruption, simulation, expected, model = {}) => {
    const base = parseExperiment(
      { name: 'a', method, dataset: { name: 'embedded' }, model, training: { disruption } },
      'test',
    );
    const config = { ...base, training: { ...base.training, simulation } } as ExperimentConfig; // as old stores lack it
    expect(isSimulated({ config: () => config }, cell(method, 'clean', 0.5))).toBe(expected);
  });
});

describe('robustnessTable', () => {
  /** Rows by method and training. */
  const rowsOf = (cells: readonly StoredCell[], ...methods: string[]): Record<string, string[]> => {
    const { rows = [] } = robustnessTable(study(cells), whole(...methods), simulates)[0] ?? {};
    return Object.fromEntries(rows.map(([method, trainedOn, ...own]) => [`${method} ${trainedOn}`, own]));
  };
  const effectiveOf = (cells: readonly StoredCell[], ...methods: string[]) =>
    Object.entries(rowsOf(cells, ...methods)).map(([name, own]) => [name, own.at(-1)]);
  /** Standard models: clean, and little and much of a disruption. */
  const standard = ([['hsan', 0.6], ['mvan', 0.7], ['clmlf', 0.8]] as const).map(([method, clean]) => ({
    method,
    clean,
    little: logistic(0.9 * logit(clean) - 0.1),
    much: logistic(0.8 * logit(clean) - 0.6),
  })); // prettier-ignore
  const intact = standard.flatMap(({ method, clean, little, much }) => [
    cell(method, 'clean', clean),
    cell(method, 'fixed:text:typos@1', little),
    cell(method, 'fixed:text:typos@5', much),
  ]);
  const names = standard.map(({ method }) => method);
  const trained = 'trained:fixed:text:typos@5';

  it('finds no effective robustness in a training that changes no answer', () => {
    const same = standard.flatMap(({ method, clean, little, much }) => [
      cell(method, `clean ${trained}`, clean),
      cell(method, `fixed:text:typos@1 ${trained}`, little),
      cell(method, `fixed:text:typos@5 ${trained}`, much),
    ]);
    const found = effectiveOf([...intact, ...same], ...names);
    expect(found.map(([name]) => name)).toEqual([
      ...names.map((name) => `${name} intact posts`),
      ...names.map((name) => `${name} fixed:text:typos@5`),
    ]);
    for (const [name, text] of found) expect(Math.abs(Number(text)), `${name}: ${text}`).toBeLessThan(0.3);
    expect(found.slice(3).map(([, text]) => Number(text))).toEqual([0, 0, 0]); // on the line, of typos@1 alone
  });

  it('judges each training on a line over its own cells, as computed by hand', () => {
    // logits of clean and typos@1: (0, -1), (1, 0), (2, 1): the line y = x - 1
    const line = ['hsan', 'mvan', 'clmlf'].flatMap((method, x) => [
      cell(method, 'clean', logistic(x)),
      cell(method, 'fixed:text:typos@1', logistic(x - 1)),
      cell(method, 'fixed:text:typos@5', 0.3),
    ]);
    const own = [cell('hsan', `clean ${trained}`, 0.5), cell('hsan', `fixed:text:typos@1 ${trained}`, 0.4)];
    // expected: 1 / (1 + e) = 0.2689, so 0.4 is 13.1 points above
    expect(rowsOf([...line, ...own], ...names)['hsan fixed:text:typos@5']).toEqual(['1', '50.0', '40.0', '0.800', '+13.1']); // prettier-ignore
    // a cell that no standard model has counts for relative robustness alone: (0.4 + 0.1) / 2 / 0.5
    const more = [...own, cell('hsan', `fixed:image:jpeg@1 ${trained}`, 0.1)];
    expect(rowsOf([...line, ...more], ...names)['hsan fixed:text:typos@5']).toEqual(['2', '50.0', '25.0', '0.500', '+13.1']); // prettier-ignore
  });

  it('lays the line through models without simulated disruptions alone', () => {
    const robust = ['drf', 'hsan+simulation'].flatMap((method) => [
      cell(method, 'clean', 0.75),
      cell(method, 'fixed:text:typos@1', 0.74),
      cell(method, 'fixed:text:typos@5', 0.73),
    ]);
    const without = effectiveOf(intact, ...names);
    const found = effectiveOf([...intact, ...robust], ...names, 'drf', 'hsan+simulation');
    expect(found.slice(0, 3)).toEqual(without);
    for (const [name, text] of found.slice(3)) expect(Number(text), name).toBeGreaterThan(5);
    const two = effectiveOf([...intact, ...robust], 'hsan', 'mvan', 'drf', 'hsan+simulation');
    expect(two.map(([, text]) => text)).toEqual(['–', '–', '–', '–']);
  });

  it('gives a method that lacks what others have a row without figures', () => {
    const odd = [cell('drf', 'clean', 0.8), cell('drf', 'missing:image=0.4', 0.7)];
    const found = rowsOf([...intact, ...odd], 'drf', ...names);
    expect(found['drf intact posts']).toEqual(['0 of 2', '–', '–', '–', '–']);
    expect(found['hsan intact posts']?.slice(0, 2)).toEqual(['2', '60.0']);
    const apart = [...odd, cell('hsan', 'clean', 0.6), cell('hsan', 'fixed:text:typos@1', 0.5)];
    expect(rowsOf(apart, 'drf', 'hsan')).toEqual({
      'drf intact posts': ['1 of 2', '–', '–', '–', '–'],
      'hsan intact posts': ['1 of 2', '–', '–', '–', '–'],
    });
  });

  it('takes clean and disrupted accuracy from the same seeds', () => {
    const unfinished = [
      cell('drf', 'clean', 0.8),
      cell('drf', 'clean seed:1', 0.6),
      cell('drf', 'clean seed:2', 0.1),
      cell('drf', 'fixed:text:typos@1', 0.4),
      cell('drf', 'fixed:text:typos@1 seed:1', 0.3),
      cell('drf', 'fixed:text:typos@1 seed:3', 0.9),
    ];
    expect(rowsOf(unfinished, 'drf')['drf intact posts']).toEqual(['1', '70.0 ± 14.1', '35.0 ± 7.1', '0.500', '–']);
  });
});

describe('tables beyond the paper', () => {
  const trained = 'trained:random:0.5:typos';
  const all = study([
    cell('drf', 'clean', 0.8),
    cell('drf', 'fixed:text:typos@1', 0.7),
    cell('drf', 'fixed:text:typos@3', 0.6),
    cell('drf', 'fixed:image:jpeg@1', 0.75),
    cell('drf', `clean ${trained}`, 0.78),
    cell('drf', `fixed:text:typos@1 ${trained}`, 0.77),
    cell('drf', `fixed:text:typos@3 ${trained}`, 0.73),
    cell('drf', 'missing:image=0.4', 0.7),
    cell('drf', 'missing:text=0.4', 0.5),
    cell('drf', 'missing:image=0.2:text=0.2', 0.6),
    cell('text-only', 'clean', 0.7),
    cell('text-only', 'fixed:text:typos@1', 0.6),
  ]);
  const systems = whole('drf', 'text-only');

  it('cross what models were trained on with what they were tested on', () => {
    const [image, text, ...single] = corruptionTables(all, systems);
    expect(image?.head).toEqual(['method', 'trained on', 'clean', 'jpeg', 'mean']);
    expect(image?.rows).toEqual([['drf', 'intact posts', '80.0', '75.0', '75.0']]);
    expect(text?.rows).toEqual([
      ['drf', 'intact posts', '80.0', '65.0', '65.0'],
      ['drf', 'random:0.5:typos', '78.0', '75.0', '75.0'],
    ]); // text-only lacks a severity, so it has no mean
    const typos = single.find(({ caption }) => caption.endsWith('typos'));
    expect(typos?.head).toEqual(['method', 'trained on', 'clean', 'severity 1', 'severity 3']);
    expect(typos?.rows.at(-1)).toEqual(['text-only', 'intact posts', '70.0', '60.0', '–']);
  });

  it('keep apart shares of the posts, and severities that are drawn', () => {
    const mixed = study([
      cell('drf', 'clean', 0.8),
      cell('drf', 'fixed:text:typos@1', 0.7),
      cell('drf', 'fixed:text:typos@3', 0.6),
      cell('drf', 'fixed:text:typos', 0.1),
      cell('drf', 'random:0.6:typos', 0.2),
      cell('drf', 'random:0.6:typos@3', 0.74),
      cell('drf', 'random:0.6:typos@3:independent', 0.76),
    ]);
    expect(corruptionTables(mixed, whole('drf')).map(({ caption, head, rows }) => [caption, head.slice(2), rows[0]?.slice(2)])).toEqual([
      ['text corrupted: accuracy, mean over severities', ['clean', 'typos', 'mean'], ['80.0', '65.0', '65.0']],
      ['text corrupted in 60 % of the posts: accuracy, mean over severities', ['clean', 'typos', 'mean'], ['80.0', '74.0', '74.0']],
      ['text corrupted in 60 % of the posts, each decided on its own: accuracy, mean over severities', ['clean', 'typos', 'mean'], ['80.0', '76.0', '76.0']],
      ['Accuracy by severity: typos', ['clean', 'severity 1', 'severity 3', 'drawn'], ['80.0', '70.0', '60.0', '10.0']],
      ['Accuracy by severity: typos in 60 % of the posts', ['clean', 'severity 3', 'drawn'], ['80.0', '74.0', '20.0']],
      ['Accuracy by severity: typos in 60 % of the posts, each decided on its own', ['clean', 'severity 3'], ['80.0', '76.0']],
    ]); // prettier-ignore
    const asked = beyondQuestions(mixed, 'corruption', systems[0]!, systems.slice(1));
    expect(asked.map(({ group, cells }) => `${group}: ${cells.length}`)).toEqual([
      'typos: 2',
      'typos, severity drawn: 1',
      'typos in 60 % of the posts, severity drawn: 1',
      'typos in 60 % of the posts: 1',
      'typos in 60 % of the posts, each decided on its own: 1',
    ]);
  });

  it('have missing rates of the image, of the text, and of both in posts of their own', () => {
    expect(missingTables(all, systems).map(({ head, rows }) => [head.slice(2), rows[0]?.slice(2)])).toEqual([
      [
        ['clean', '40 %'],
        ['80.0', '70.0'],
      ],
      [
        ['clean', '40 %'],
        ['80.0', '50.0'],
      ],
      [
        ['clean', '20 % + 20 %'],
        ['80.0', '60.0'],
      ],
    ]);
  });

  it('say relative robustness over the cells that all methods have', () => {
    const { rows = [] } = robustnessTable(all, systems, simulates)[0] ?? {};
    expect(rows).toEqual([
      ['drf', 'intact posts', '1', '80.0', '70.0', '0.875', '–'],
      ['text-only', 'intact posts', '1', '70.0', '60.0', '0.857', '–'],
      ['drf', 'random:0.5:typos', '2', '78.0', '75.0', '0.962', '–'],
    ]);
  });

  it('have curves from intact posts on, and questions for each corruption and training', () => {
    expect(severityStudies(all).map(({ corruption, trainedOn }) => `${corruption} ${trainedOn.kind}`)).toEqual([
      'typos none',
      'jpeg none',
      'typos corruption',
      'jpeg corruption',
    ]);
    const curve = severityCurve(all, systems[0]!, 'typos', { kind: 'none' });
    expect(curve.map(({ severity, accuracy }) => [severity, accuracy.mean])).toEqual([[0, 0.8], [1, 0.7], [3, 0.6]]); // prettier-ignore
    const asked = beyondQuestions(all, 'corruption', systems[0]!, systems.slice(1));
    expect(asked.map(({ group, cells }) => `${group}: ${cells.length}`)).toEqual([
      'typos: 2',
      'jpeg: 1',
      'typos, trained on random:0.5:typos: 2',
      'jpeg, trained on random:0.5:typos: 1',
    ]);
  });
});
