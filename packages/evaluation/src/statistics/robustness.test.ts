import { describe, expect, it } from 'vitest';
import { parseCell } from '../cells.js';
import type { StoredCell } from '../store/records.js';
import type { Study } from './compare.js';
import {
  beyondQuestions,
  corruptionTables,
  costTable,
  effectiveRobustness,
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
const whole = (...methods: string[]) => methods.map((method) => ({ method, without: null }));

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

  it('say relative robustness over the cells that all methods have, and effective robustness of three', () => {
    const { rows = [] } = robustnessTable(all, systems)[0] ?? {};
    expect(rows).toEqual([
      ['drf', 'intact posts', '1', '80.0', '70.0', '0.875', '–'],
      ['text-only', 'intact posts', '1', '70.0', '60.0', '0.857', '–'],
      ['drf', 'random:0.5:typos', '2', '78.0', '75.0', '0.962', '–'],
    ]);
    const three = study([...all.cells, cell('hsan', 'clean', 0.6), cell('hsan', 'fixed:text:typos@1', 0.5)]);
    const effective = robustnessTable(three, whole('drf', 'text-only', 'hsan'))[0]?.rows.map((row) => row.at(-1));
    expect(effective?.slice(0, 3).every((text) => Math.abs(Number(text)) < 0.5)).toBe(true);
    expect(Number(effective?.at(-1))).toBeGreaterThan(5); // practiced on what it meets
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

  it('say what methods cost, as far as it is known', () => {
    const costOf = () => ({ trainings: 2, seconds: 1.25, parameters: 12_345, memoryBytes: null });
    expect(costTable(all, whole('drf'), costOf)[0]?.rows).toEqual([['drf', '2', '1.3', '12,345', '–']]);
  });
});
