import type { GridExperiment, GridName } from '@drf/evaluation';
import { defineExperiment, parseForMethod } from '@drf/experiment';
import { describe, expect, it } from 'vitest';
import type { GridFlags } from './flags.js';
import { axesOf } from './grid-action.js';

const file = defineExperiment({ name: 'tiny', dataset: { name: 'embedded' } });
const experiments: GridExperiment[] = [(overrides) => parseForMethod(file, [overrides], 'test')];
const common = { out: '', cache: '' };
const axes = (grids: readonly GridName[], flags: Partial<GridFlags> = {}) =>
  axesOf({ ...common, ...flags }, grids, experiments);

describe('axesOf', () => {
  it('leaves the methods to each grid, unless they are named', () => {
    expect(axes(['all', 'corruptions']).methods).toBeNull();
    expect(axes(['all', 'corruptions'], { methods: 'text-only,drf' }).methods).toEqual(['text-only', 'drf']);
  });

  it.each([
    ['--settings', { settings: 'C' }, ['corruptions', 'missing-rates'], 'table-1, table-4, figure-5, all, smoke'],
    ['--ablations', { ablations: 'no-pair-expansion' }, ['corruptions'], 'table-4, all, smoke'],
    ['--ablations', { ablations: 'no-pair-expansion' }, ['missing-rates'], 'table-4, all, smoke'],
    ['--ablated', { ablated: 'drf' }, ['corruptions'], 'table-4, all, smoke'],
    ['--dr', { dr: '0.4' }, ['corruptions'], 'figure-5, all, smoke, missing-rates'],
    ['--modalities', { modalities: 'text' }, ['figure-5'], 'table-1, table-4, all, smoke, corruptions, missing-rates'],
    ['--severities', { severities: '1' }, ['missing-rates'], 'corruptions'],
    ['--corruptions', { corruptions: 'typos' }, ['table-1'], 'corruptions'],
    ['--trained-on', { trainedOn: 'none' }, ['all'], 'corruptions, missing-rates'],
  ] as const)('refuses %s where no grid has use for it', (flag, flags, grids, having) => {
    expect(() => axes(grids, flags)).toThrow(`${flag} expected a grid that it narrows: ${having}, received ${grids.join(', ')}`); // prettier-ignore
    expect(() => axes([...grids, having.split(', ')[0] as GridName], flags)).not.toThrow();
  });
});
