import { PAPER_RATIOS, parseStrategy } from '@drf/disruption';
import { defineExperiment, METHOD_NAMES, parseForMethod, simulationOptions, UNIMODAL_NAMES } from '@drf/experiment';
import { describe, expect, it } from 'vitest';
import { ABLATION_SWITCHES } from '../paper.js';
import { CLEAN, formatCell } from '../cells.js';
import { parseSeeds } from '../../../../apps/eval/src/grid-action.js';
import { planGrid, type GridExperiment, type GridName } from './plan.js';
import { cellIdentity, trainingIdentity } from './tasks.js';

const file = defineExperiment({
  name: 'tiny',
  dataset: { name: 'embedded' },
  methods: { 'drf-paper': { training: { epochs: 7 } } },
});
const experiment = parseForMethod(file, [], 'test');
const axes = {
  methods: ['drf', 'concatenation'],
  ablated: 'drf',
  ablations: ABLATION_SWITCHES,
  settings: ['C', 'D', 'C+D'],
  modalities: ['image', 'text'],
  ratios: PAPER_RATIOS,
  corruptions: ['typos', 'jpeg'],
  severities: [1, 3],
  trainedOn: null,
} as const;
const laidOver =
  (own: typeof file): GridExperiment =>
  (overrides) =>
    parseForMethod(own, [overrides], 'test');
const plan = (grids: readonly GridName[], seeds = [0]) =>
  planGrid({ grids, axes, seeds, experiments: [laidOver(file)] });
const cellsOf = (planned: ReturnType<typeof plan>): number =>
  planned.reduce((sum, { testedOn }) => sum + testedOn.length, 0);

describe('planGrid', () => {
  it('has the sizes of the paper’s tables', () => {
    const counts = (name: GridName): [number, number] => [plan([name]).length, cellsOf(plan([name]))];
    expect(counts('table-1')).toEqual([2, 2 * 7]); // clean and 2 modalities × 3 settings
    expect(counts('table-3')).toEqual([2, 2]);
    expect(counts('table-4')).toEqual([6, 6 * 7]);
    expect(counts('figure-5')).toEqual([2 + 2 * 15, 2 + 2 * 15 * 2]); // each dr, beside its clean cell
  });

  it('crosses what models are trained on with what they are tested on', () => {
    const crossed = (name: GridName, more: object = {}): string[] =>
      planGrid({
        grids: [name],
        axes: { ...axes, methods: ['drf'], ...more },
        seeds: [0],
        experiments: [laidOver(file)],
      }).map(
        ({ config, testedOn }) =>
          `${config.training.disruption}: ${testedOn.map((own) => formatCell({ testedOn: own })).join(' ')}`,
      );
    const cells = 'clean fixed:text:typos@1 fixed:text:typos@3 fixed:image:jpeg@1 fixed:image:jpeg@3';
    expect(crossed('corruptions')).toEqual([`none: ${cells}`]);
    const trainedOn = [CLEAN, parseStrategy('random:0.5:typos')];
    expect(crossed('corruptions', { trainedOn })).toEqual([`none: ${cells}`, `random:0.5:typos: ${cells}`]);
    expect(crossed('corruptions', { modalities: ['image'] })).toEqual([
      'none: clean fixed:image:jpeg@1 fixed:image:jpeg@3',
    ]);
    const rates = 'clean missing:image=0.6 missing:text=0.6 missing:image=0.3:text=0.3';
    expect(crossed('missing-rates', { ratios: [0.6] })).toEqual([
      `none: ${rates}`,
      `missing:image=0.35:text=0.35: ${rates}`,
    ]);
    expect(crossed('missing-rates', { ratios: [0.6], modalities: ['text'], trainedOn: [CLEAN] })).toEqual([
      'none: clean missing:text=0.6',
    ]);
  });

  it('compares unimodal methods beyond the paper, whatever other grid stands beside', () => {
    /** Methods that are judged in cells of a kind. */
    const methodsIn = (kind: string, ...grids: GridName[]): string[] => {
      const planned = planGrid({ grids, axes: { ...axes, methods: null }, seeds: [0], experiments: [laidOver(file)] });
      const own = planned.filter(({ without, testedOn }) => without === null && testedOn.some((one) => one.kind === kind)); // prettier-ignore
      return [...new Set(own.map(({ method }) => method))].sort();
    };
    const all = [...METHOD_NAMES].sort();
    const ofThePaper = all.filter((name) => !UNIMODAL_NAMES.includes(name));
    expect(ofThePaper).toHaveLength(METHOD_NAMES.length - 3);
    expect(methodsIn('corruption', 'corruptions')).toEqual(all);
    expect(methodsIn('corruption', 'all', 'corruptions')).toEqual(all);
    expect(methodsIn('missing', 'table-3', 'missing-rates')).toEqual(all);
    expect(methodsIn('modality-fixed', 'all', 'corruptions')).toEqual(ofThePaper);
  });

  it('trains once what several tables need', () => {
    const all = plan(['all'], [0, 1]);
    expect(all).toHaveLength(2 * (2 + 5 + 30));
    const clean = all.filter(({ config }) => config.training.disruption === 'none' && config.seed === 1);
    expect(clean.map(({ method, without, testedOn }) => [method, without, testedOn.length])).toEqual([
      ['drf', null, 7],
      ['concatenation', null, 7],
      ...[
        'sample-recovery',
        'distribution-recovery',
        'gaussian-probability',
        'pair-expansion',
        'distribution-constraint',
      ].map((part) => ['drf', `no-${part}`, 7]),
    ]);
    expect(plan(['table-1', 'table-3', 'table-4', 'figure-5'])).toEqual(plan(['all']));
  });

  it('trains a method with simulated disruptions under a name of its own', () => {
    const methods = ['drf', 'concatenation', 'clmlf+simulation'];
    const all = planGrid({ grids: ['table-1'], axes: { ...axes, methods }, seeds: [0], experiments: [laidOver(file)] });
    expect(all.map(({ method, config }) => [method, config.method, config.training.simulation.share])).toEqual([
      ['drf', 'drf', undefined], // simulates by default
      ['concatenation', 'concatenation', undefined],
      ['clmlf+simulation', 'clmlf', 0.5],
    ]);
    const variants = planGrid({ grids: ['table-3'], axes: { ...axes, methods: ['drf', 'drf+discriminants', 'drf-discriminants', 'mvan+discriminants'] }, seeds: [0], experiments: [laidOver(file)] }); // prettier-ignore
    const known = variants.map(({ method, config }) => [method, config.method, config.model.discriminants, simulationOptions(config).share]); // prettier-ignore
    expect([...new Map(known.map((own) => [own[0], own])).values()]).toEqual([
      ['drf', 'drf', undefined, 0.5], // the encoders are embedded ones
      ['drf+discriminants', 'drf', 0.5, 0.5],
      ['drf-discriminants', 'drf', 0, 0.5],
      ['mvan+discriminants', 'mvan', 0.5, 0.5],
    ]);
    const simulating = { ...file, training: { simulation: { share: 0.2, discard: 1, draws: 3 } } };
    const [own] = planGrid({ grids: ['table-3'], axes: { ...axes, methods: ['mvan+simulation'] }, seeds: [0], experiments: [laidOver(simulating)] }); // prettier-ignore
    expect(own?.config.training.simulation).toEqual({ share: 0.2, discard: 1, draws: 3 });
  });

  it('switches off the part, and trains under the disruption that is tested', () => {
    const all = plan(['all']);
    const ablated = all.find(({ without }) => without === 'no-pair-expansion');
    expect(ablated?.config.model.ablations.pairExpansion).toBe(false);
    const random = all.find((planned) =>
      planned.testedOn.some((testedOn) => formatCell({ testedOn }) === 'random:0.6:C+D'),
    );
    expect(random?.config.training.disruption).toBe('random:0.6:C+D');
    expect(random?.testedOn.map((testedOn) => formatCell({ testedOn }))).toEqual(['clean', 'random:0.6:C+D']);
  });

  it('lays the experiment’s options for a method over the others', () => {
    const [paper, adapted] = planGrid({
      grids: ['table-3'],
      axes: { ...axes, methods: ['drf-paper', 'drf-adapted'] },
      seeds: [0],
      experiments: [laidOver(file)],
    });
    expect([paper?.config.training.epochs, adapted?.config.training.epochs]).toEqual([7, 30]);
  });
});

describe('identities', () => {
  const encoders = { image: 'i', text: 't' };
  const identity = (config = experiment, data = 'data', engine = 'compiled'): string =>
    trainingIdentity(config, { trainingData: data, encoders, engine });

  it('change with what decides the result', () => {
    const others = [
      { ...experiment, seed: 1 },
      { ...experiment, method: 'concatenation' as const },
      { ...experiment, model: { ...experiment.model, dim: 5 } },
      { ...experiment, training: { ...experiment.training, disruption: 'random:0.6:C' } },
    ].map((config) => identity(config));
    expect(
      new Set([identity(), identity(experiment, 'other data'), identity(experiment, 'data', 'eager:cpu'), ...others])
        .size,
    ).toBe(7);
    expect(
      new Set([
        cellIdentity('t', 'p', CLEAN),
        cellIdentity('t', 'q', CLEAN),
        cellIdentity('t', 'p', parseStrategy('fixed:image:C')),
      ]).size,
    ).toBe(3);
  });

  it('stay with what does not', () => {
    const moved = { ...experiment, name: 'other', dataset: { ...experiment.dataset, root: '/elsewhere' } };
    expect(identity(moved)).toBe(identity());
    const training = { ...experiment.training, keepCheckpoints: 9 };
    expect(identity({ ...experiment, training })).toBe(identity());
  });
});

describe('parseSeeds', () => {
  it('takes numbers and ranges', () => {
    expect(parseSeeds('0-4')).toEqual([0, 1, 2, 3, 4]);
    expect(parseSeeds('7, 2,2-3')).toEqual([2, 3, 7]);
  });

  it.each(['', '4-2', 'a', '1.5', '-1'])('refuses "%s"', (text) => {
    expect(() => parseSeeds(text)).toThrow(/--seeds expected whole numbers or ranges.*write them like 0-4 or 0,2,7/);
  });
});
