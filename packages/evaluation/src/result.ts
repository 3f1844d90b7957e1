import { basename, relative } from 'node:path';
import { SETTINGS, type Setting, type Strategy } from '@drf/disruption';
import { departuresFromLetter, type OpenedRun } from '@drf/experiment';
import { robustnessArea, type ClassificationReport } from '@drf/metrics';
import type { Modality } from '@drf/tensor';
import { ablationsOf, dropOf, paperDrop, trainedModalities, type PaperDrop, type PaperFigures } from './paper.js';

export const RESULT_FORMAT = 'drf-evaluation/1';

/** How many posts had a modality corrupted or discarded. */
type DisruptionCounts = Readonly<Record<Modality, { readonly corrupted: number; readonly discarded: number }>>;

/** AUROC of each modality's quality at finding the corrupted modality; null where there is nothing to find. */
export type QualityAuroc = Readonly<Record<Modality, number | null>>;

export interface CellResult {
  readonly cell: string;
  readonly kind: Strategy['kind'];
  /** Of modality-fixed cells. */
  readonly modality: Modality | null;
  readonly setting: Setting | null;
  /** dr of modality-random cells. */
  readonly ratio: number | null;
  readonly disrupted: DisruptionCounts;
  readonly report: ClassificationReport;
  readonly paper: PaperFigures | null;
  /** null for methods that estimate no quality, and while DRF's queues hold too little. */
  readonly quality: QualityAuroc | null;
  /** Manifest of the cell, relative to the results; null for the clean cell. */
  readonly manifest: string | null;
}

/** Scores against the ratio of disrupted posts, from dr = 0 (the clean cell) on. */
export interface RobustnessCurve {
  readonly setting: Setting;
  readonly points: readonly { readonly ratio: number; readonly accuracy: number; readonly weightedF1: number }[];
  /** Mean accuracy over the ratios covered: area under the curve by trapezoids, over its width. */
  readonly area: number;
  /** Accuracy at dr = 0.2 less that at dr = 1, as the paper counts it; null where one was not evaluated. */
  readonly drop: number | null;
  readonly paperDrop: PaperDrop | null;
}

/** The trained run that was evaluated. */
export interface RunSummary {
  readonly path: string;
  readonly name: string;
  readonly method: string;
  /** What options make of `drf-paper` that the paper does not say. */
  readonly departures: readonly string[];
  /** Parts of DRF that are switched off, in the names of the paper's Table 4. */
  readonly ablations: readonly string[];
  readonly seed: number;
  readonly trainingDisruption: string;
  /** Modalities whose encoders were fine-tuned; the others' were frozen. */
  readonly trainedEncoders: readonly Modality[];
  readonly dataset: string;
  readonly checkpoint: string;
  readonly step: number;
  readonly epoch: number;
  readonly git: string | null;
}

/** On what it was evaluated. */
export interface EvaluationSetting {
  readonly dataset: string;
  readonly split: string;
  readonly posts: number;
  /** SHA-256 of ids and labels in their order: equal for equal posts. */
  readonly postsHash: string;
  readonly classes: readonly string[];
  /** Of the disruptions; a text where a manifest says so. */
  readonly seed: number | string;
  readonly manifest: string | null;
  readonly engine: string;
  readonly encoders: { readonly image: string; readonly text: string };
}

/** Content of `results.json`. It holds no times: the same command writes the same file. */
export interface EvaluationResult {
  readonly format: typeof RESULT_FORMAT;
  readonly run: RunSummary;
  readonly evaluation: EvaluationSetting;
  /** What a reader should know about the posts. */
  readonly notes: readonly string[];
  /** Posts that could not be read and are left out of every cell. */
  readonly unreadable: readonly { readonly id: string; readonly message: string }[];
  readonly cells: readonly CellResult[];
  readonly curves: readonly RobustnessCurve[];
  /** Cells that an interruption left out. */
  readonly missingCells: readonly string[];
}

/**
 * Robustness curves from cells: for each setting with modality-random cells, scores against dr, with the clean cell as
 * dr = 0.
 * @param dataset whose figures of the paper stand beside ours
 */
export function robustnessCurves(cells: readonly CellResult[], dataset: string): RobustnessCurve[] {
  const clean = cells.find(({ kind }) => kind === 'none');
  if (clean === undefined) return [];
  return SETTINGS.flatMap((setting): RobustnessCurve[] => {
    const all = cells.filter(
      (cell) => cell.kind === 'modality-random' && cell.setting === setting && (cell.ratio ?? 0) > 0,
    );
    // one point a ratio: that of exact shares, where there is one of independent draws beside it
    const isExact = ({ cell }: CellResult): boolean => cell.split(':').length === 3;
    const random = [...all]
      .sort((a, b) => Number(isExact(b)) - Number(isExact(a)))
      .filter((cell, place, sorted) => sorted.findIndex(({ ratio }) => ratio === cell.ratio) === place);
    if (random.length === 0) return [];
    const points = [clean, ...random]
      .map(({ ratio, report }) => ({ ratio: ratio ?? 0, accuracy: report.accuracy, weightedF1: report.weightedF1 }))
      .sort((first, second) => first.ratio - second.ratio);
    return [
      {
        setting,
        points,
        area: robustnessArea(points.map(({ ratio, accuracy }) => ({ ratio, value: accuracy }))),
        drop: dropOf(points),
        paperDrop: paperDrop(dataset, setting),
      },
    ];
  });
}

/** The run as results name it. */
export function summarizeRun({ folder, description, checkpoint, position }: OpenedRun): RunSummary {
  const { config, versions } = description;
  return {
    path: shownPath(folder.path),
    name: basename(folder.path),
    method: config.method,
    departures: departuresFromLetter(config),
    ablations: ablationsOf(config),
    seed: config.seed,
    trainingDisruption: config.training.disruption,
    trainedEncoders: trainedModalities(config),
    dataset: config.dataset.name,
    checkpoint: basename(checkpoint),
    step: position.step,
    epoch: position.epoch,
    git: versions.git,
  };
}

/** A path as a person would type it here: relative where it lies below the working folder. */
export function shownPath(path: string): string {
  const way = relative(process.cwd(), path);
  return way === '' || way.startsWith('..') ? path : way;
}
