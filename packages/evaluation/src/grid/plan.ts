import { SIMULATED_SHARE, type ExperimentConfig } from '@drf/experiment';
import { formatStrategy, type Strategy } from '@drf/disruption';
import type { Fold } from '../cells.js';
import { variantName } from '../paper.js';
import { gridEntries, type GridAxes, type GridEntry, type GridName } from './named-grids.js';

/** Behind a method's name: trained with simulated disruptions, as `drf` is by default. */
export const SIMULATED = '+simulation';

/** One model to train, and the cells that it is to be tested in. */
export interface PlannedTraining {
  /** Name of the experiment, such as mvsa-s. */
  readonly experiment: string;
  readonly fold: Fold | null;
  /** Such as `clmlf`, or `clmlf+simulation`. */
  readonly method: string;
  /** The part that is switched off, in the paper's name. */
  readonly without: string | null;
  readonly config: ExperimentConfig;
  /** Disruptions of the cells; the clean one first. */
  readonly cells: readonly Strategy[];
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
  readonly model: { readonly ablations: { readonly [part: string]: boolean } };
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
            experiment: config.name,
            fold,
            method: entry.method,
            without: entry.without === null ? null : variantName(entry.without),
            config: fold === null ? config : { ...config, dataset: { ...config.dataset, ...fold } },
            cells: entry.testedOn,
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
  const isSimulated = entry.method.endsWith(SIMULATED);
  const method = isSimulated ? entry.method.slice(0, -SIMULATED.length) : entry.method;
  const training = { disruption: formatStrategy(entry.trainedOn) };
  const config = experiment({ method, seed, training, model: { ablations } });
  if (!isSimulated) return config;
  const { share = SIMULATED_SHARE } = config.training.simulation;
  return experiment({ method, seed, training: { ...training, simulation: { share } }, model: { ablations } });
}
