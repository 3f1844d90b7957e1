import * as tf from '@tensorflow/tfjs';
import type { Definition } from '@drf/files';
import { crossEntropy } from '@drf/layers';
import {
  hostTensor,
  named,
  type ByModality,
  type ClassScores,
  type Host,
  type HostTree,
  type Modality,
  type Named,
  type PerPost,
  type Random,
  type Scalar,
  type TensorTree,
} from '@drf/tensor';

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

/** Encoder outputs of one modality in a batch. A missing post's row may hold anything, even NaN. */
export type ModalityInputs = {
  /** [batch, width] */
  readonly features: Named<['batch', 'width']>;
  /** λ, [batch], 1 or 0 */
  readonly available: PerPost;
  /** In training, where it is known: 1 where the modality is neither corrupted nor discarded, else 0. [batch] */
  readonly intact?: PerPost;
  /** For methods whose {@link MethodNeeds} say so. */
  readonly tokens?: TokenInputs;
};

/** What a method reads of a batch: `batch.image.features`, `batch.text.available`. */
export type BatchInputs = ByModality<ModalityInputs>;

/** What a method asks for beyond one feature a modality; the pipeline prepares it only then. */
export interface MethodNeeds {
  /** Token-level outputs of both encoders. */
  readonly tokens?: boolean;
  /**
   * The method cannot take a missing modality: a black image or a text of masks stands in, encoded like any other,
   * and is told to be available.
   */
  readonly bothModalities?: boolean;
  /**
   * The modalities that the method reads; left out: both. Of another one, posts are neither encoded nor simulated before
   * training, and its encoder is not trained; its features are zeros, its availability is told all the same.
   */
  readonly reads?: readonly Modality[];
}

/**
 * A method's parameters: what training moves, and what stays as it was made or measured (scalings of encoder outputs,
 * weights of classes, graphs, an encoder's frozen layers). Where nothing is fixed, `fixed` is left out.
 */
export type MethodParameters<Trained extends TensorTree = TensorTree, Fixed extends TensorTree = TensorTree> = {
  readonly trained: Trained;
  readonly fixed?: Fixed;
};

/** What a method says of a batch; `details` are further outputs (weights, densities), by method. */
export type Prediction = {
  readonly logits: ClassScores;
  readonly probabilities: ClassScores;
  readonly details: TensorTree;
};

/** The prediction of logits, and what a person may want to see beside it. [batch, classes] */
export function predictionOf(logits: ClassScores, details: TensorTree = {}): Prediction {
  return { logits, probabilities: named(tf.softmax(logits, -1), ['batch', 'classes']), details };
}

/** A loss and its named parts (each []), and what the memory needs to know of the batch. */
export type LossResult<Observations extends TensorTree = TensorTree> = {
  readonly total: Scalar;
  readonly parts: { readonly [name: string]: Scalar };
  readonly prediction: Prediction;
  /**
   * Handed to {@link Memory.update} after the step. Leaves of rank 1 and more have a row a post, so that the parts of a
   * batch can be joined; a number [] is of the whole batch.
   */
  readonly observations: Observations;
};

/**
 * What a method remembers between steps apart from its parameters (DRF's queues). Owned by the caller, outside the
 * step: read before it, updated after it.
 */
export interface Memory<Inputs extends TensorTree = TensorTree, Observations extends TensorTree = TensorTree> {
  /** Inputs of the step that come from the memory. */
  inputs(): Host<Inputs>;
  /** Takes in what the step observed of the batch. */
  update(observations: Host<Observations>): void;
  /**
   * For memories that fit distributions closely: {@link inputs} as they would be, had only some posts been seen, so that
   * the others are measured by distributions that do not know them.
   * @param observations of all posts that the memory has seen, as {@link update} takes them
   * @param kept places of those that may be seen
   */
  refitted?(observations: Host<Observations>, kept: readonly number[], random: Random): Host<Inputs>;
  /** For checkpoints; the inverse of {@link Memory.restore}. */
  state(): HostTree;
  /** @throws CheckpointError when the state is not of a memory like this one */
  restore(state: HostTree): void;
}

/**
 * A way to judge posts: DRF, concatenation, and others. Pure functions over parameters.
 * @template P its parameters
 * @template M what its memory gives a step to read
 * @template O what a step tells its memory
 * @template Batch what it reads: features, or with encoders under it ({@link withEncoders}) what those read
 */
export interface Method<
  P extends MethodParameters = MethodParameters,
  M extends TensorTree = TensorTree,
  O extends TensorTree = TensorTree,
  Batch extends TensorTree = BatchInputs,
> {
  /** Such as `drf` or `concatenation`. */
  readonly id: string;
  /** Left out: pooled features alone, and missing modalities as such. */
  readonly needs?: MethodNeeds;
  /** Fresh parameters: the same from the same stream. */
  initialParameters(random: Random): Host<P>;
  /** A fresh memory: DRF’s queues, empty. Methods that remember nothing give one that holds nothing. */
  createMemory(): Memory<M, O>;
  /** Prediction alone, for evaluation. `memory` are the memory's inputs as tensors. */
  predict(parameters: P, batch: Batch, memory: M): Prediction;
  /**
   * Loss with its parts, and the prediction, of a batch in training.
   * @param labels int32 [batch]
   */
  loss(parameters: P, batch: Batch, labels: PerPost, memory: M): LossResult<O>;
}

/** What makes a method of one's own; what is left out is usual. */
export type MethodParts<P extends MethodParameters = MethodParameters> = Pick<
  Method<P>,
  'initialParameters' | 'predict'
> & {
  /** Left out: cross-entropy of the prediction (Eq. 15), weighted by class where the experiment asks for it. */
  readonly loss?: Method<P>['loss'];
  /** Left out: it remembers nothing. */
  readonly createMemory?: Method<P>['createMemory'];
};

type Options = NonNullable<Definition['options']>;

/**
 * A method in a module of the user's own, for `--method ./my-method.ts`.
 *
 * ```ts
 * const options = z.strictObject({ width: z.int().min(1).default(64).describe('width of the hidden layer') });
 * export default {
 *   name: 'my-method',
 *   options,
 *   create: ({ width }, { imageDim, textDim, classes }) => ({ initialParameters: …, predict: … }),
 * } satisfies MethodDefinition<typeof options>;
 * ```
 */
export type MethodDefinition<Schema extends Options = Options> = Definition<
  Schema,
  MethodNeeds,
  [shapes: MethodShapes],
  MethodParts
>;

/** A method of its parts. @param id what checkpoints and reports know it by */
export function methodOf<P extends MethodParameters = MethodParameters>(
  id: string,
  needs: MethodNeeds | undefined,
  parts: MethodParts<P>,
): Method<P> {
  const ofPrediction: Method<P>['loss'] = (parameters, batch, labels, memory) => {
    const prediction = parts.predict(parameters, batch, memory);
    const total = crossEntropy(prediction.logits, labels, postWeights(parameters, labels));
    return { total, parts: { classification: total }, prediction, observations: {} };
  };
  return {
    id,
    ...(needs === undefined ? {} : { needs }),
    initialParameters: (random) => parts.initialParameters(random),
    createMemory: () => parts.createMemory?.() ?? EMPTY_MEMORY,
    predict: (parameters, batch, memory) => parts.predict(parameters, batch, memory),
    loss: parts.loss ?? ofPrediction,
  };
}

/** What a method is built for: widths, and what was measured of the training posts. */
export interface MethodShapes {
  readonly imageDim: number;
  readonly textDim: number;
  readonly classes: number;
  /** Encoder outputs' means and deviations over the training posts; given: features are standardized by them. */
  readonly standardization?: ByModality<FeatureMoments>;
  /** By how much the classification losses count the posts of each class, [classes]; left out: all the same. */
  readonly classWeights?: Float32Array;
  /** Training posts of each class, [classes]; left out: not known. */
  readonly classCounts?: Float32Array;
  /** How tokens are laid out, for methods that read them. */
  readonly tokens?: ByModality<TokenShape>;
  /** The same as `standardization`, of each token's values. */
  readonly tokenStandardization?: ByModality<FeatureMoments>;
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
const EMPTY_MEMORY: Memory = {
  inputs: () => ({}),
  update: () => undefined,
  state: () => ({}),
  restore: () => undefined,
};

/** What {@link withClassWeights} adds to a method's fixed parameters, so that a run goes on with the same. */
export type ClassWeighted = { readonly fixed?: { readonly classWeights?: tf.Tensor | TensorTree } };

/**
 * A method whose classification losses count each post by the weight of its class. Everything else stays: recovery,
 * constraint, contrast and restraint do not ask for the class's frequency, and predictions do not see the weights.
 * @param weights [classes]
 */
export function withClassWeights(method: Method, weights: Float32Array): Method {
  const classWeights = hostTensor(Float32Array.from(weights), [weights.length]);
  return {
    ...method,
    initialParameters: (random) => {
      const { trained, fixed } = method.initialParameters(random);
      return { trained, fixed: { ...fixed, classWeights } };
    },
  };
}

/** What a method with {@link withClassWeights} weighs each post of a batch by, [batch]; without, nothing. */
export function postWeights({ fixed }: ClassWeighted, labels: PerPost): PerPost | undefined {
  if (fixed?.classWeights === undefined) return undefined;
  return named(tf.gather(fixed.classWeights as tf.Tensor, tf.cast(labels, 'int32') as tf.Tensor1D), ['batch']);
}

/**
 * Weights by which every class counts the same in sum: posts / (classes with posts · posts of the class), whose mean
 * over the posts is 1 (scikit-learn's `class_weight="balanced"`). A class without posts has 1.
 * @param labels class index of each training post
 * @returns [classes]
 */
export function balancedClassWeights(labels: Int32Array | readonly number[], classes: number): Float32Array {
  const counts = new Float64Array(classes);
  for (const label of labels) counts[label] = (counts[label] as number) + 1;
  const present = counts.filter((count) => count > 0).length;
  return Float32Array.from(counts, (count) => (count === 0 ? 1 : labels.length / (present * count)));
}
