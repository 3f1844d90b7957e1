import type { ExperimentConfig, Versions } from '@drf/experiment';
import type { Fold } from '../cells.js';
import type { TrainingRecord } from '../store/records.js';

/** What every worker is told first. */
export interface WorkerSetting {
  /** Threads of the engine. */
  readonly threads: number;
  /** Folder of the feature cache. */
  readonly cache: string;
  /** Split to evaluate; null: test if it has posts, else val. */
  readonly split: 'train' | 'val' | 'test' | null;
  /** Features held in memory, in bytes. */
  readonly memoryBytes: number;
  /** Read once for all trainings. */
  readonly versions: Versions;
}

/** What is known of an experiment before anything is trained. */
export interface ExperimentFacts {
  readonly encoders: { readonly image: string; readonly text: string };
  readonly engine: string;
  /** Hash of training and validation posts. */
  readonly trainingData: string;
  /** Hash of the evaluated posts. */
  readonly evaluatedData: string;
  readonly split: string;
  readonly posts: { readonly train: number; readonly val: number; readonly evaluated: number };
  readonly notes: readonly string[];
}

/** Posts that are to be encoded: splits `train` and `val` of a training, or the evaluated posts of a cell. */
export interface FeatureTask {
  readonly experiment: string;
  readonly fold: Fold | null;
  readonly config: ExperimentConfig;
  /** As `training.disruption` takes it. */
  readonly strategy: string;
  readonly posts: 'training' | 'evaluated';
}

/** A cell to evaluate. */
export interface TaskCell {
  readonly name: string;
  readonly identity: string;
}

/** One training with its cells. */
export interface TrainingTask {
  readonly config: ExperimentConfig;
  readonly experiment: string;
  readonly fold: Fold | null;
  readonly method: string;
  readonly without: string | null;
  readonly identity: string;
  readonly resultVersion: number;
  /** Folder of the run. */
  readonly folder: string;
  /** The same, relative to the store. */
  readonly storedFolder: string;
  readonly cells: readonly TaskCell[];
  readonly keepFeatures: boolean;
}

export type WorkerRequest =
  | { readonly kind: 'describe'; readonly config: ExperimentConfig }
  | { readonly kind: 'encode'; readonly task: FeatureTask }
  | { readonly kind: 'train'; readonly task: TrainingTask };

/** Answers by the kind of the request. */
export interface WorkerAnswers {
  readonly describe: ExperimentFacts;
  readonly encode: { readonly unreadable: readonly string[] };
  readonly train: TrainingRecord;
}

export type ToWorker = { readonly setting: WorkerSetting } | { readonly id: number; readonly request: WorkerRequest };

export type FromWorker =
  | { readonly id: number; readonly progress: WorkerProgress }
  | { readonly id: number; readonly value: unknown }
  | { readonly id: number; readonly failure: { readonly message: string; readonly isBug: boolean } };

/** How far a request is. */
export interface WorkerProgress {
  readonly what: string;
  readonly done: number;
  readonly total: number;
}
