import { fileURLToPath } from 'node:url';
import { formatStrategy } from '@drf/disruption';
import type { GridExperiment, GridName } from '@drf/evaluation';
import { defineExperiment, parseForMethod } from '@drf/experiment';
import { takeOwnModules } from '@drf/experiment/options';
import { Command } from '@drf/terminal';
import { describe, expect, it } from 'vitest';
import type { GridFlags } from './flags.js';
import { axesOf } from './grid-action.js';

const file = defineExperiment({ name: 'tiny', dataset: { name: 'embedded' } });
const experiments: GridExperiment[] = [(overrides) => parseForMethod(file, [overrides], 'test')];
type Given = Partial<Pick<GridFlags, 'methods' | 'settings' | 'ablations' | 'ablated' | 'dr' | 'modalities' | 'severities' | 'corruptions' | 'trainedOn'>>; // prettier-ignore
const common = { out: '', cache: '', on: 'local' };
const axes = (grids: readonly GridName[], flags: Given = {}) => axesOf({ ...common, ...flags }, grids, experiments);

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

  it('takes disruptions of the user’s own to train on, loaded before', async () => {
    const trained: string[] = [];
    const module = fileURLToPath(new URL('../../../docs/examples/my-disruption.ts', import.meta.url));
    const command = new Command().option('--trained-on <strategies>').action((flags: Given) => {
      trained.push(...(axes(['corruptions'], flags).trainedOn ?? []).map(formatStrategy));
    });
    await takeOwnModules(command).parseAsync(['--trained-on', `none,${module}:0.5:keep=1`], { from: 'user' });
    expect(trained).toEqual(['none', expect.stringMatching(/^[\w-]+@[0-9a-f]{12}:0\.5:keep=1$/)]);
    expect(() => axes(['corruptions'], { trainedOn: './absent.ts:0.5' })).toThrow(/absent\.ts/);
  });
});
