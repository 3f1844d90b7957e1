import type * as tf from '@tensorflow/tfjs';
import type { ClassScores, HostTree, Named, PerPost, Random, Scalar, TensorTree } from '@drf/tensor';

/**
 * Token-level encoder outputs of one modality in a batch: word pieces, or an image's places row by row, without a class
 * token, which the pooled feature stands for. Rows where the mask is 0 may hold anything, even NaN.
 */
export type TokenInputs = {
  readonly tokens: Named<['batch', 'token', 'dim']>;
  /** 1 where a token stands, else 0. */
  readonly mask: Named<['batch', 'token']>;
  /** Of texts: the number of each word piece in the encoder's vocabulary, int32. */
  readonly pieces?: Named<['batch', 'token']>;
};

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
  /** In training, where it is known: 1 where the modality is neither corrupted nor discarded, else 0. [batch] */
  readonly imageIntact?: PerPost;
  readonly textIntact?: PerPost;
  /** For methods whose {@link MethodNeeds} say so. */
  readonly imageTokens?: TokenInputs;
  readonly textTokens?: TokenInputs;
};

/** What a method asks for beyond one feature a modality; the pipeline prepares it only then. */
export interface MethodNeeds {
  /** Token-level outputs of both encoders. */
  readonly tokens?: boolean;
  /**
   * The method cannot take a missing modality: a black image or a text of masks stands in, encoded like any other,
   * and is told to be available.
   */
  readonly bothModalities?: boolean;
}

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
  /**
   * Handed to {@link Memory.update} after the step. Leaves of rank 1 and more have a row a post, so that the parts of a
   * batch can be joined; a number [] is of the whole batch.
   */
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
  /**
   * For memories that fit distributions closely: {@link inputs} as they would be, had only some posts been seen, so that
   * the others are measured by distributions that do not know them.
   * @param observations of all posts that the memory has seen, as {@link update} takes them
   * @param kept places of those that may be seen
   */
  refitted?(observations: HostTree, kept: readonly number[], random: Random): HostTree;
  /** For checkpoints; the inverse of {@link Memory.restore}. */
  state(): HostTree;
  /** @throws CheckpointError when the state is not of a memory like this one */
  restore(state: HostTree): void;
}

/**
 * A way to judge posts: DRF, concatenation, and others. Pure functions over parameter trees.
 * @template Batch what it reads: features, or with encoders under it ({@link withEncoders}) what those read
 */
export interface Method<Batch extends TensorTree = BatchInputs> {
  /** Such as `drf` or `concatenation`. */
  readonly id: string;
  /** Left out: pooled features alone, and missing modalities as such. */
  readonly needs?: MethodNeeds;
  /** Fresh parameters: the same from the same stream. */
  initialParameters(random: Random): HostTree;
  /** Which parameters get gradients; left out: all but the scalings of encoder outputs. */
  isTrained?(flatName: string): boolean;
  /** A fresh memory: DRF’s queues, empty. Methods that remember nothing give one that holds nothing. */
  createMemory(): Memory;
  /** Prediction alone, for evaluation. `memory` are the memory's inputs as tensors. */
  predict(parameters: TensorTree, batch: Batch, memory: TensorTree): Prediction;
  /**
   * Loss with its parts, and the prediction, of a batch in training.
   * @param labels int32 [batch]
   */
  loss(parameters: TensorTree, batch: Batch, labels: PerPost, memory: TensorTree): LossResult;
}

/** Widths that a method is built for. */
export interface MethodShapes {
  readonly imageDim: number;
  readonly textDim: number;
  readonly classes: number;
  /** Encoder outputs' means and deviations over the training posts; given: features are standardized by them. */
  readonly standardization?: { readonly image: FeatureMoments; readonly text: FeatureMoments };
  /** By how much the classification losses count the posts of each class, [classes]; left out: all the same. */
  readonly classWeights?: Float32Array;
  /** How tokens are laid out, for methods that read them. */
  readonly tokens?: { readonly image: TokenShape; readonly text: TokenShape };
  /** The same as `standardization`, of each token's values. */
  readonly tokenStandardization?: { readonly image: FeatureMoments; readonly text: FeatureMoments };
}

/** The most tokens of a post, and the width of one. */
export interface TokenShape {
  readonly count: number;
  readonly dim: number;
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
