import type { DisruptionEntry } from '@drf/disruption';
import type { ExperimentConfig, MetricRow, Versions } from '@drf/experiment';
import type { Modality } from '@drf/tensor';
import type { CellResult } from '../result.js';

/** One row of `epoch`. */
export type EpochRow = Omit<Extract<MetricRow, { type: 'epoch' }>, 'type' | 'seconds'>;

/** A training as it goes into the store. */
export interface TrainingRecord {
  readonly address: string;
  readonly identity: string;
  readonly code: string;
  readonly experiment: string;
  readonly dataset: string;
  readonly method: string;
  readonly without: string | null;
  readonly disruption: string;
  readonly seed: number;
  readonly config: ExperimentConfig;
  readonly versions: Versions;
  readonly encoders: { readonly image: string; readonly text: string };
  readonly engine: string;
  readonly best: { readonly epoch: number; readonly step: number; readonly score: number } | null;
  readonly seconds: number;
  /** Relative to the store's folder. */
  readonly folder: string;
  readonly epochs: readonly EpochRow[];
}

/** Evaluated posts, in their order. */
export interface PostList {
  readonly hash: string;
  readonly dataset: string;
  readonly split: string;
  readonly classes: readonly string[];
  readonly ids: readonly string[];
  readonly labels: readonly number[];
}

/** Log relative densities of the four features and weights of the three pairs, [posts] each; null where there are none. */
export interface PostDetails {
  readonly densities: Readonly<
    Record<'image' | 'text' | 'recoveredText' | 'recoveredImage', Float32Array | null>
  > | null;
  readonly weights: Readonly<Record<'both' | 'image' | 'text', Float32Array | null>> | null;
}

/** Features of a discarded modality, recovered and as they were when intact, [positions, width]. */
export interface RecoveredFeatures {
  readonly modality: Modality;
  readonly positions: Int32Array;
  readonly width: number;
  readonly recovered: Float32Array;
  readonly original: Float32Array;
}

/** A cell as it goes into the store. */
export interface CellRecord {
  readonly address: string;
  readonly identity: string;
  readonly result: CellResult;
  /** null for intact posts */
  readonly manifest: {
    readonly strategy: string;
    readonly seed: number;
    readonly mask: string;
    readonly entries: readonly DisruptionEntry[];
  } | null;
  /** [posts, classes] */
  readonly probabilities: Float32Array;
  readonly available: Readonly<Record<Modality, Float32Array>>;
  readonly details: PostDetails;
  readonly features: readonly RecoveredFeatures[];
}

/** A training with its cells: what is stored whole or not at all. */
export interface StoredUnit {
  readonly training: TrainingRecord;
  readonly posts: PostList;
  readonly cells: readonly CellRecord[];
}
