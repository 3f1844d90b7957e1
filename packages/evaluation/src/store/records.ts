import type { DisruptionEntry, Strategy } from '@drf/disruption';
import type { ExperimentConfig, MetricRow, Versions } from '@drf/experiment';
import type { ClassificationReport } from '@drf/metrics';
import type { Modality } from '@drf/tensor';
import type { Cell, Fold } from '../cells.js';
import type { QualityAuroc } from '../result.js';

/** A training with its cells as they go into a store: whole or not at all. */
export interface TrainingRecord {
  /** Equal for trainings that must give equal results by equal code. */
  readonly identity: string;
  /** The `RESULT_VERSION` that it was made with. */
  readonly resultVersion: number;
  /** Such as `mvsa-s`. */
  readonly experiment: string;
  readonly fold: Fold | null;
  /** As tables call it: `clmlf`, or `clmlf+simulation`. */
  readonly method: string;
  /** The part of the method that is switched off, in the paper's name. */
  readonly without: string | null;
  readonly config: ExperimentConfig;
  readonly versions: Versions;
  readonly encoders: { readonly image: string; readonly text: string };
  readonly engine: string;
  readonly best: { readonly epoch: number; readonly step: number; readonly score: number } | null;
  readonly seconds: number;
  /** Parameters that training moves; null where they were not counted. */
  readonly parameters: number | null;
  /** Most memory that its process held at a step, features included; null where it was not measured. */
  readonly memoryBytes: number | null;
  /** Of its run, relative to the store's folder. */
  readonly folder: string;
  readonly epochs: readonly StoredEpoch[];
  readonly posts: StoredPosts & {
    /** Equal for equal posts in equal order. */
    readonly hash: string;
    readonly dataset: string;
    readonly split: string;
  };
  readonly cells: readonly CellRecord[];
}

/** A cell as it goes into a store; whatever else makes a {@link Cell} is its training's. */
export interface CellRecord {
  /** Equal for cells that must give equal results by equal code. */
  readonly identity: string;
  readonly testedOn: Strategy;
  readonly report: ClassificationReport;
  readonly quality: QualityAuroc | null;
  /** What was done to the posts; null for intact ones. */
  readonly manifest: {
    readonly seed: number | string;
    /** What stood for masked words. */
    readonly mask: string;
    readonly entries: readonly DisruptionEntry[];
  } | null;
  /** [posts, classes] */
  readonly probabilities: Float32Array;
  /** λᵛ and λᵗ, [posts] */
  readonly available: Readonly<Record<Modality, Float32Array>>;
  /** Log relative densities of the four features, [posts] each; null where the method has none. */
  readonly densities: Readonly<Record<DensityName, Float32Array | null>> | null;
  /** Weights of the three pairs, [posts] each; null where the method has none. */
  readonly weights: Readonly<Record<WeightName, Float32Array | null>> | null;
  readonly features: readonly StoredFeatures[];
}

type DensityName = 'image' | 'text' | 'recoveredText' | 'recoveredImage';
type WeightName = 'both' | 'image' | 'text';

/** A cell as a store has it; the folds of a cross-validation are one cell over all their posts. */
export interface StoredCell extends Cell {
  readonly experiment: string;
  readonly dataset: string;
  /** Such as `test`; of a cross-validation `test, 5 folds`. */
  readonly split: string;
  readonly method: string;
  readonly without: string | null;
  /** Number of judged posts. */
  readonly posts: number;
  readonly accuracy: number;
  readonly weightedF1: number;
  readonly imageAuroc: number | null;
  readonly textAuroc: number | null;
  /** Equal for cells that judge equal posts in equal order. */
  readonly postsKey: string;
  /** Equal for cells whose posts were disrupted equally; null for intact ones. */
  readonly disruptionKey: string | null;
  /** Its row in the store; of a cross-validation one a fold, in their order. */
  readonly rows: readonly [CellRow, ...CellRow[]];
}

/** What a method costs: over its trainings in a store, those without a figure left out. */
export interface MethodCost {
  readonly trainings: number;
  /** Mean wall time of a training. */
  readonly seconds: number;
  readonly parameters: number | null;
  /** The most of any. */
  readonly memoryBytes: number | null;
}

/** Where a store keeps a cell. */
export interface CellRow {
  readonly id: number;
  readonly trainingId: number;
  readonly postListId: number;
  readonly manifestId: number | null;
  readonly posts: number;
}

/** The answer to one post. */
export interface StoredPrediction {
  readonly position: number;
  readonly predicted: number;
  readonly probabilities: readonly number[];
  readonly available: Readonly<Record<Modality, boolean>>;
  readonly densities: Readonly<Record<DensityName, number | null>>;
  readonly weights: Readonly<Record<WeightName, number | null>>;
}

/** Judged posts, in their order. */
export interface StoredPosts {
  readonly classes: readonly string[];
  readonly ids: readonly string[];
  readonly labels: Int32Array;
}

/** What was done to the post at a position. */
export interface StoredDisruption extends DisruptionEntry {
  readonly position: number;
}

/** How a training was after one epoch. */
export type StoredEpoch = Omit<Extract<MetricRow, { type: 'epoch' }>, 'type' | 'seconds'>;

/** Features of a discarded modality, recovered and as they were when intact, [positions, width]. */
export interface StoredFeatures {
  readonly modality: Modality;
  readonly positions: Int32Array;
  readonly width: number;
  readonly recovered: Float32Array;
  readonly original: Float32Array;
}
