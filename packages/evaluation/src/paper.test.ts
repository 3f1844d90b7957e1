import { existsSync } from 'node:fs';
import { readJson } from '@drf/files';
import { parseStrategy } from '@drf/disruption';
import { describe, expect, it } from 'vitest';
import { ablationsOf, paperDrop, paperFigures, reconstructionNote } from './paper.js';
import { PAPER_RESULTS } from './paper-results.js';
import { syntheticConfig } from './testing/synthetic.js';

const figures = (overrides: Record<string, unknown>, cell: string, dataset = 'mvsa-single') =>
  paperFigures({ config: syntheticConfig(overrides), dataset }, parseStrategy(cell));
const without = (...names: string[]) => ({
  model: { ablations: Object.fromEntries(names.map((name) => [name, false])) },
});

describe('paperFigures', () => {
  it('gives the figures of DRF on intact and on disrupted posts, as shares', () => {
    expect(figures({}, 'none')).toEqual({ accuracy: 76.5 / 100, weightedF1: 75.9 / 100 });
    expect(figures({}, 'fixed:text:C+D')).toEqual({ accuracy: 68.5 / 100, weightedF1: 68.3 / 100 });
    const tumEmo = { dataset: { name: 'tumemo', root: 'data' } };
    expect(figures(tumEmo, 'fixed:image:D', 'tumemo')).toEqual({ accuracy: 67.2 / 100, weightedF1: 67.2 / 100 });
  });

  it.each([
    ['hsan', 69.9, 66.9, 64.1],
    ['mvan', 73.0, 73.0, 62.4],
    ['mgnns', 73.8, 72.7, 64.7],
    ['clmlf', 75.3, 73.5, 63.1],
    ['mvcn', 76.1, 74.6, 64.6],
  ])('gives the figures of %s', (method, accuracy, weightedF1, withoutText) => {
    expect(figures({ method }, 'none')).toEqual({ accuracy: accuracy / 100, weightedF1: weightedF1 / 100 });
    expect(figures({ method }, 'fixed:text:D')?.accuracy).toBe(withoutText / 100);
  });

  it('gives the row of Table 4 for DRF without one part, which has no clean figure', () => {
    expect(figures(without('pairExpansion'), 'fixed:image:D')).toEqual({
      accuracy: 68.3 / 100,
      weightedF1: 67.1 / 100,
    });
    expect(figures(without('sampleRecovery'), 'fixed:text:C')).toEqual({
      accuracy: 68.5 / 100,
      weightedF1: 68.3 / 100,
    });
    expect(figures(without('pairExpansion'), 'none')).toBeNull();
    const multiple = { ...without('pairExpansion'), dataset: { name: 'mvsa-multiple', root: 'data' } };
    expect(figures(multiple, 'fixed:image:D', 'mvsa-multiple')).toBeNull();
  });

  it.each([
    ['two parts off', without('pairExpansion', 'sampleRecovery'), 'fixed:image:C', 'mvsa-single'],
    ['plain concatenation', { method: 'concatenation' }, 'none', 'mvsa-single'],
    ['modality-random cells', {}, 'random:0.6:C+D', 'mvsa-single'],
    ['training on disrupted posts', { training: { disruption: 'random:0.6:C+D' } }, 'fixed:image:C', 'mvsa-single'],
    ['another data set than the trained one', {}, 'none', 'tumemo'],
    ['a data set outside the paper', { dataset: { name: 'embedded' } }, 'none', 'embedded'],
  ])('has none for %s', (_, overrides, cell, dataset) => {
    expect(figures(overrides, cell, dataset)).toBeNull();
  });
});

describe('ablationsOf', () => {
  it('names what is off as Table 4 does, and nothing for other methods', () => {
    const config = syntheticConfig(without('gaussianProbability', 'distributionConstraint'));
    expect(ablationsOf(config)).toEqual(['no-gaussian-probability', 'no-distribution-constraint']);
    expect(ablationsOf({ ...config, method: 'concatenation' })).toEqual([]);
  });
});

describe('paperDrop', () => {
  it('knows C+D only', () => {
    const drop = paperDrop('mvsa-single', 'C+D');
    expect(drop?.drf).toBeCloseTo(0.0448, 10);
    expect(drop?.others[1]).toBeCloseTo(0.0953, 10);
    expect(paperDrop('mvsa-single', 'C')).toBeNull();
    expect(paperDrop('embedded', 'C+D')).toBeNull();
  });
});

const published = new URL('../../../../shared/spec/paper-results.json', import.meta.url).pathname;

it.skipIf(!existsSync(published))('holds the tables as collected (needs ../shared)', async () => {
  const all = (await readJson(published)) as typeof PAPER_RESULTS & { modalityRandomDrop: { setting?: string } };
  const { setting, ...drop } = all.modalityRandomDrop;
  expect(setting).toBe('C+D, accuracy lost from dr=0.2 to dr=1.0, percentage points');
  expect(PAPER_RESULTS).toEqual({
    modalityFixed: all.modalityFixed,
    clean: all.clean,
    ablation: all.ablation,
    modalityRandomDrop: drop,
  });
});

it('says which methods are reconstructions, simulated or not', () => {
  expect(reconstructionNote(['drf', 'clmlf', 'mgnns', 'concatenation'])).toBeNull();
  expect(reconstructionNote(['mvan+simulation', 'drf'])).toMatch(/^mvan is a reconstruction/);
  expect(reconstructionNote(['mvcn', 'hsan'])).toMatch(/^hsan, mvcn are reconstructions/);
});
