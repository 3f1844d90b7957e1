import type * as tf from '@tensorflow/tfjs';
import type { ClassScores, HostTree, Named, PerPost, Random, Scalar, TensorTree } from '@drf/tensor';

/** Encoder outputs of a batch and what is available of it. A missing modality's row may hold anything, even NaN. */
export type BatchInputs = {
  /** [batch, imageDim] */
  readonly image: Named<['batch', 'imageDim']>;
  /** [batch, textDim] */
  readonly text: Named<['batch', 'textDim']>;
  /** λᵛ, [batch], 1 or 0 */
  readonly imageAvailable: PerPost;
  /** λᵗ, [batch], 1 or 0 */
  readonly textAvailable: PerPost;
};

/** What a method says of a batch; `details` are further outputs (weights, densities), by method. */
export type Prediction = {
  readonly logits: ClassScores;
  readonly probabilities: ClassScores;
  readonly details: TensorTree;
};

/** A loss and its named parts (each []), and what the memory needs to know of the batch. */
export type LossResult = {
  readonly total: Scalar;
  readonly parts: { readonly [name: string]: tf.Tensor };
  readonly prediction: Prediction;
  /** Handed to {@link Memory.update} after the step. */
  readonly observations: TensorTree;
};

/**
 * What a method remembers between steps apart from its parameters (DRF's queues). Owned by the caller, outside the
 * step: read before it, updated after it.
 */
export interface Memory {
  /** Inputs of the step that come from the memory. */
  inputs(): HostTree;
  /** Takes in what the step observed of the batch. */
  update(observations: HostTree): void;
  /** For checkpoints; the inverse of {@link Memory.restore}. */
  state(): HostTree;
  /** @throws CheckpointError when the state is not of a memory like this one */
  restore(state: HostTree): void;
}

/**
 * A way to judge posts from features: DRF, concatenation, and others. Pure functions over parameter trees.
 */
export interface Method {
  /** Such as `drf` or `concatenation`. */
  readonly id: string;
  initialParameters(random: Random): HostTree;
  createMemory(): Memory;
  /** Prediction alone, for evaluation. `memory` are the memory's inputs as tensors. */
  predict(parameters: TensorTree, batch: BatchInputs, memory: TensorTree): Prediction;
  /** @param labels int32 [batch] */
  loss(parameters: TensorTree, batch: BatchInputs, labels: PerPost, memory: TensorTree): LossResult;
}

/** Widths that a method is built for. */
export interface MethodShapes {
  readonly imageDim: number;
  readonly textDim: number;
  readonly classes: number;
  /** Encoder outputs' means and deviations over the training posts; given: features are standardized by them. */
  readonly standardization?: { readonly image: FeatureMoments; readonly text: FeatureMoments };
}

/** Mean and standard deviation of each feature, [width]. */
export interface FeatureMoments {
  readonly mean: Float32Array;
  readonly std: Float32Array;
}

/** The memory of a method that remembers nothing. */
export const EMPTY_MEMORY: Memory = {
  inputs: () => ({}),
  update: () => undefined,
  state: () => ({}),
  restore: () => undefined,
};
