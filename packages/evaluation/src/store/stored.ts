import type { Modality } from '@drf/tensor';

/** A cell with the training behind it. */
export interface StoredCell {
  readonly id: number;
  readonly trainingId: number;
  readonly experiment: string;
  readonly dataset: string;
  readonly split: string;
  readonly method: string;
  readonly without: string | null;
  readonly trainedOn: string;
  readonly seed: number;
  readonly name: string;
  readonly kind: string;
  readonly modality: Modality | null;
  readonly setting: string | null;
  readonly ratio: number | null;
  readonly postListId: number;
  readonly manifestId: number | null;
  readonly posts: number;
  readonly accuracy: number;
  readonly weightedF1: number;
  readonly imageAuroc: number | null;
  readonly textAuroc: number | null;
}

/** The answer to one post. */
export interface StoredPrediction {
  readonly position: number;
  readonly predicted: number;
  readonly probabilities: readonly number[];
  readonly available: Readonly<Record<Modality, boolean>>;
  readonly densities: Readonly<Record<'image' | 'text' | 'recoveredText' | 'recoveredImage', number | null>>;
  readonly weights: Readonly<Record<'both' | 'image' | 'text', number | null>>;
}

export interface StoredPosts {
  readonly classes: readonly string[];
  readonly ids: readonly string[];
  readonly labels: Int32Array;
}

export interface StoredDisruption {
  readonly position: number;
  readonly modality: Modality;
  readonly operation: 'corrupt' | 'discard';
  readonly fraction: number | null;
  readonly seed: string | null;
}

export interface StoredEpoch {
  readonly epoch: number;
  readonly trainLoss: number;
  readonly valAccuracy: number | null;
  readonly valLoss: number | null;
}

export interface StoredFeatures {
  readonly modality: Modality;
  readonly width: number;
  readonly count: number;
  readonly recovered: Float32Array;
  readonly original: Float32Array;
}
