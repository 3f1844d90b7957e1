import { fixedStrategies, PAPER_RATIOS, randomStrategies, type Setting, type Strategy } from '@drf/disruption';
import type { Modality } from '@drf/tensor';
import { CLEAN } from '../cells.js';
import type { AblationSwitch } from '../paper.js';

/** The paper's evaluation by its tables, all of it, and all of it at a size that shows that everything works. */
export const GRID_NAMES = ['table-1', 'table-3', 'table-4', 'figure-5', 'all', 'smoke'] as const;
export type GridName = (typeof GRID_NAMES)[number];

/** What a grid is made of, after narrowing. */
export interface GridAxes {
  readonly methods: readonly string[];
  /** The method whose parts Table 4 switches off. */
  readonly ablated: string;
  readonly ablations: readonly AblationSwitch[];
  readonly settings: readonly Setting[];
  readonly modalities: readonly Modality[];
  /** dr of modality-random cells. */
  readonly ratios: readonly number[];
}

/** A method, less a part or whole, trained under one disruption and tested in some cells. */
export interface GridEntry {
  readonly method: string;
  readonly without: AblationSwitch | null;
  readonly trainedOn: Strategy;
  readonly testedOn: readonly Strategy[];
}

/** Entries of a grid; several may ask for the same training. */
export function gridEntries(name: GridName, axes: GridAxes): GridEntry[] {
  switch (name) {
    case 'table-1':
      return tableOne(axes);
    case 'table-3':
      return axes.methods.map((method) => clean(method, []));
    case 'table-4':
      return tableFour(axes);
    case 'figure-5':
      return figureFive(axes);
    case 'all':
    case 'smoke':
      return [...tableOne(axes), ...tableFour(axes), ...figureFive(axes)];
  }
}

/** Modality-fixed: trained on intact posts, one modality of every test post disrupted; the clean cell is Table 3. */
function tableOne(axes: GridAxes): GridEntry[] {
  const cells = fixedCells(axes);
  return axes.methods.map((method) => clean(method, cells));
}

/** The same cells for DRF and for DRF without one of its parts. */
function tableFour(axes: GridAxes): GridEntry[] {
  const cells = fixedCells(axes);
  return [null, ...axes.ablations].map((without) => ({ ...clean(axes.ablated, cells), without }));
}

/** Modality-random: trained and tested at the same dr; dr = 0 is training and testing on intact posts. */
function figureFive({ methods, settings, ratios }: GridAxes): GridEntry[] {
  const strategies = randomStrategies(ratios).filter(({ setting }) => settings.includes(setting));
  return methods.flatMap((method) => [
    clean(method, []),
    ...strategies.map((own) => ({ method, without: null, trainedOn: own, testedOn: [CLEAN, own] })),
  ]);
}

function clean(method: string, strategies: readonly Strategy[]): GridEntry {
  return { method, without: null, trainedOn: CLEAN, testedOn: [CLEAN, ...strategies] };
}

function fixedCells({ settings, modalities }: GridAxes): Strategy[] {
  return fixedStrategies().filter(
    ({ setting, modality }) => settings.includes(setting) && modalities.includes(modality),
  );
}

/** What `smoke` is narrowed to, so that it takes minutes and yet fills every part of a report. */
export const SMOKE = {
  settings: ['C', 'D', 'C+D'],
  ratios: [0.4, 1],
  ablations: ['pairExpansion', 'gaussianProbability'],
  seeds: 2,
} as const satisfies { readonly [axis: string]: unknown };

/** The paper's. */
export const FULL_RATIOS = PAPER_RATIOS;
