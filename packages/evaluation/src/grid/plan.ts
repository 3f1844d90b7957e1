import {
  corruptedModality,
  corruptionStrategies,
  fixedStrategies,
  formatStrategy,
  randomStrategies,
  type CorruptionName,
  type Setting,
  type Severity,
  type Strategy,
} from '@drf/disruption';
import {
  METHOD_NAMES,
  DISCRIMINANT_SHARE,
  SIMULATED_SHARE,
  UNIMODAL_NAMES,
  type ExperimentConfig,
} from '@drf/experiment';
import { MODALITIES, type Modality } from '@drf/tensor';
import { CLEAN, missingStrategies, type Cell, type Fold } from '../cells.js';
import { variantName, type AblationSwitch } from '../paper.js';
import { splitVariant, type GridName, type Variant } from '../names.js';

export { GRID_NAMES, splitVariant, VARIANTS, type GridName } from '../names.js';

/** What a grid is made of, after narrowing. */
export interface GridAxes {
  /** null: all; of {@link PAPER_METHODS} alone in grids that are not beyond the paper. */
  readonly methods: readonly string[] | null;
  /** The method whose parts Table 4 switches off. */
  readonly ablated: string;
  readonly ablations: readonly AblationSwitch[];
  readonly settings: readonly Setting[];
  readonly modalities: readonly Modality[];
  /** dr of modality-random cells; rates of `missing-rates`. */
  readonly ratios: readonly number[];
  /** Of `corruptions`. */
  readonly corruptions: readonly CorruptionName[];
  readonly severities: readonly Severity[];
  /** What models of `corruptions` and `missing-rates` are trained on; null: as each of them is by itself. */
  readonly trainedOn: readonly Strategy[] | null;
}

/**
 * What `missing-rates` trains on by itself: intact posts, and posts of which 35 % lack the image and 35 % the text, the
 * missing rate of 70 % of Lee et al., "Multimodal prompting with missing modalities for visual recognition" (CVPR 2023).
 */
const MISSING_TRAINING: readonly Strategy[] = [CLEAN, { kind: 'missing', image: 0.35, text: 0.35 }];

/** The methods that are compared unless others are asked for, but in grids beyond the paper: all but unimodal ones. */
export const PAPER_METHODS: readonly string[] = METHOD_NAMES.filter((name) => !UNIMODAL_NAMES.includes(name));

/** What an axis can be narrowed to, by the grids that have it. */
const GRIDS_BY_AXIS = {
  ablated: ['table-4', 'all', 'smoke'],
  ablations: ['table-4', 'all', 'smoke'],
  settings: ['table-1', 'table-4', 'figure-5', 'all', 'smoke'],
  modalities: ['table-1', 'table-4', 'all', 'smoke', 'corruptions', 'missing-rates'],
  ratios: ['figure-5', 'all', 'smoke', 'missing-rates'],
  corruptions: ['corruptions'],
  severities: ['corruptions'],
  trainedOn: ['corruptions', 'missing-rates'],
} as const satisfies Readonly<Record<Exclude<keyof GridAxes, 'methods'>, readonly GridName[]>>;

/** The grids that an axis makes a difference to. */
export function gridsWith(axis: keyof typeof GRIDS_BY_AXIS): readonly GridName[] {
  return GRIDS_BY_AXIS[axis];
}

/** A method, less a part or whole, trained under one disruption and tested in some cells. */
interface GridEntry {
  readonly method: string;
  readonly without: AblationSwitch | null;
  readonly trainedOn: Strategy;
  readonly testedOn: readonly Strategy[];
}

/** What `smoke` is narrowed to, so that it takes minutes and yet fills every part of a report. */
export const SMOKE = {
  settings: ['C', 'D', 'C+D'],
  ratios: [0.4, 1],
  ablations: ['pairExpansion', 'gaussianProbability'],
  seeds: 2,
} as const satisfies { readonly [axis: string]: unknown };

/** One model to train, and the cells that it is to be tested in. */
export interface PlannedTraining extends Omit<Cell, 'testedOn'> {
  /** Name of the experiment, such as mvsa-s. */
  readonly experiment: string;
  /** Such as `clmlf`, or `clmlf+simulation`. */
  readonly method: string;
  /** The part that is switched off, in the paper's name. */
  readonly without: string | null;
  readonly config: ExperimentConfig;
  /** Disruptions of its cells; the clean one first. */
  readonly testedOn: readonly Strategy[];
  /** Whether recovered and true features are kept for the report. */
  readonly keepFeatures: boolean;
}

export interface PlanOptions {
  readonly grids: readonly GridName[];
  readonly axes: GridAxes;
  readonly seeds: readonly number[];
  readonly experiments: readonly GridExperiment[];
  /** Folds of a cross-validation, each of which is trained and judged; left out: none. */
  readonly folds?: number;
}

/** An experiment with a method, a seed, a disruption and a part switched off laid over it. */
export type GridExperiment = (overrides: {
  readonly method: string;
  readonly seed: number;
  readonly training: { readonly disruption: string; readonly simulation?: { readonly share: number } };
  readonly model: { readonly ablations: { readonly [part: string]: boolean }; readonly discriminants?: number };
}) => ExperimentConfig;

/**
 * The trainings of a grid, each once with all the cells that any of the grids asks of it, in an order in which
 * trainings on the same features follow each other.
 * @throws ConfigurationError when a method or an option is unknown
 */
export function planGrid({ grids, axes, seeds, experiments, folds }: PlanOptions): PlannedTraining[] {
  const merged = mergeEntries(grids.flatMap((name) => gridEntries(name, axes)));
  const parts: (Fold | null)[] =
    folds === undefined ? [null] : Array.from({ length: folds }, (_, i) => ({ fold: i + 1, folds }));
  return experiments.flatMap((experiment) =>
    parts.flatMap((fold) =>
      seeds.flatMap((seed, index) =>
        merged.map((entry): PlannedTraining => {
          const config = configOf(experiment, entry, seed);
          return {
            ...entry,
            experiment: config.name,
            fold,
            seed,
            without: entry.without === null ? null : variantName(entry.without),
            config: fold === null ? config : { ...config, dataset: { ...config.dataset, ...fold } },
            keepFeatures: index === 0 && entry.without === null,
          };
        }),
      ),
    ),
  );
}

/** Same training, all its cells; by training disruption, so that features are shared. */
function mergeEntries(entries: readonly GridEntry[]): GridEntry[] {
  const merged = new Map<string, GridEntry>();
  for (const entry of entries) {
    const key = JSON.stringify([entry.method, entry.without, formatStrategy(entry.trainedOn)]);
    const all = [...(merged.get(key)?.testedOn ?? []), ...entry.testedOn];
    const testedOn = [...new Map(all.map((own) => [formatStrategy(own), own])).values()];
    merged.set(key, { ...entry, testedOn });
  }
  const all = [...merged.values()];
  const trainedOn = [...new Set(all.map((entry) => formatStrategy(entry.trainedOn)))];
  return trainedOn.flatMap((name) => all.filter((entry) => formatStrategy(entry.trainedOn) === name));
}

function configOf(experiment: GridExperiment, entry: GridEntry, seed: number): ExperimentConfig {
  const ablations = entry.without === null ? {} : { [entry.without]: false };
  const { method, variant } = splitVariant(entry.method);
  const training = { disruption: formatStrategy(entry.trainedOn) };
  const plain = experiment({ method, seed, training, model: { ablations } });
  if (variant === undefined) return plain;
  const { simulation, discriminants } = variantOptions(variant, plain);
  return experiment({
    method,
    seed,
    training: { ...training, ...(simulation === undefined ? {} : { simulation: { share: simulation } }) },
    model: { ablations, ...(discriminants === undefined ? {} : { discriminants }) },
  });
}

/** What a variant changes; shares that an experiment sets itself stay. */
function variantOptions(
  variant: Variant,
  { model, training }: ExperimentConfig,
): { readonly simulation?: number; readonly discriminants?: number } {
  switch (variant) {
    case '+simulation':
      return { simulation: training.simulation.share ?? SIMULATED_SHARE };
    case '+discriminants':
      return { discriminants: model.discriminants || DISCRIMINANT_SHARE };
    case '-discriminants':
      return { discriminants: 0 };
  }
}

/** The axes of a grid, its methods chosen. */
interface ChosenAxes extends GridAxes {
  readonly methods: readonly string[];
}

/** Entries of a grid; several may ask for the same training. */
function gridEntries(name: GridName, { methods, ...others }: GridAxes): GridEntry[] {
  const isBeyond = name === 'corruptions' || name === 'missing-rates';
  const axes: ChosenAxes = { ...others, methods: methods ?? (isBeyond ? METHOD_NAMES : PAPER_METHODS) };
  switch (name) {
    case 'table-1':
      return tableOne(axes);
    case 'table-3':
      return axes.methods.map((method) => clean(method, []));
    case 'table-4':
      return tableFour(axes);
    case 'figure-5':
      return figureFive(axes);
    case 'corruptions': {
      const names = axes.corruptions.filter((own) => axes.modalities.includes(corruptedModality(own)));
      return crossed(axes, axes.trainedOn ?? [CLEAN], corruptionStrategies(names, axes.severities));
    }
    case 'missing-rates': {
      const rates = missingStrategies(axes.ratios).filter((own) =>
        MODALITIES.every((modality) => own[modality] === 0 || axes.modalities.includes(modality)),
      );
      return crossed(axes, axes.trainedOn ?? MISSING_TRAINING, rates);
    }
    case 'all':
    case 'smoke':
      return [...tableOne(axes), ...tableFour(axes), ...figureFive(axes)];
  }
}

/** Modality-fixed: trained on intact posts, one modality of every test post disrupted; the clean cell is Table 3. */
function tableOne(axes: ChosenAxes): GridEntry[] {
  const cells = fixedCells(axes);
  return axes.methods.map((method) => clean(method, cells));
}

/** The same cells for DRF and for DRF without one of its parts. */
function tableFour(axes: ChosenAxes): GridEntry[] {
  const cells = fixedCells(axes);
  return [null, ...axes.ablations].map((without) => ({ ...clean(axes.ablated, cells), without }));
}

/** Modality-random: trained and tested at the same dr; dr = 0 is training and testing on intact posts. */
function figureFive({ methods, settings, ratios }: ChosenAxes): GridEntry[] {
  const strategies = randomStrategies(ratios).filter(({ setting }) => settings.includes(setting));
  return methods.flatMap((method) => [
    clean(method, []),
    ...strategies.map((own) => ({ method, without: null, trainedOn: own, testedOn: [CLEAN, own] })),
  ]);
}

/** Every training judged in every cell. */
function crossed({ methods }: ChosenAxes, trainings: readonly Strategy[], testedOn: readonly Strategy[]): GridEntry[] {
  return methods.flatMap((method) =>
    trainings.map((trainedOn) => ({ method, without: null, trainedOn, testedOn: [CLEAN, ...testedOn] })),
  );
}

function clean(method: string, strategies: readonly Strategy[]): GridEntry {
  return { method, without: null, trainedOn: CLEAN, testedOn: [CLEAN, ...strategies] };
}

function fixedCells({ settings, modalities }: ChosenAxes): Strategy[] {
  return fixedStrategies().filter(
    ({ setting, modality }) => settings.includes(setting) && modalities.includes(modality),
  );
}
