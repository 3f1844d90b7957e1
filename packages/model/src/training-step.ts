import * as tf from '@tensorflow/tfjs';
import {
  hostScalar,
  unflattenTree,
  type Host,
  type HostTree,
  type PerPost,
  type PureStep,
  type Scalar,
  type TensorTree,
} from '@drf/tensor';
import { accumulated, initialGradients, type StepPart } from './accumulation.js';
import { adamW, biasCorrections, initialMoments, type AdamWMoments, type AdamWOptions } from './adamw.js';
import { clipGlobalNorm } from './clip.js';
import { valueAndGradients } from './gradients.js';
import type { BatchInputs, Method } from './method.js';
import { cosineLearningRate } from './schedule.js';
import { isTrainedByDefault, learningRateGroup } from './trained.js';

/** Parameters and AdamW moments; the step number stays with the caller, who turns it into {@link stepSchedule}. */
export type TrainingState = {
  readonly parameters: TensorTree;
  readonly moments: AdamWMoments;
  /** Gradients of the step's parts so far, where steps are computed in parts; what is in it between steps is void. */
  readonly gradients?: TensorTree;
};

/** A batch to learn from. */
export type TrainingInputs<Batch extends TensorTree = BatchInputs> = {
  readonly batch: Batch;
  /** int32 [batch] */
  readonly labels: PerPost;
  readonly memory: TensorTree;
  /** Left out for all parts of a step but its last: they only add to the gradients. */
  readonly schedule?: {
    readonly learningRates: { readonly encoder: Scalar; readonly head: Scalar };
    readonly firstCorrection: Scalar;
    readonly secondCorrection: Scalar;
  };
  /** Given when, and only when, the state holds gradients. */
  readonly part?: StepPart;
};

/** Posts to judge by the state's parameters, which stay as they are. */
export type PredictionInputs<Batch extends TensorTree = BatchInputs> = {
  readonly batch: Batch;
  readonly memory: TensorTree;
};

/** What one call of a step is given: posts to learn from, or posts to judge. */
export type StepInputs<Batch extends TensorTree = BatchInputs> = TrainingInputs<Batch> | PredictionInputs<Batch>;

/** The loss with its parts (each []), the probabilities [batch, classes], and what the memory is to learn. */
export type TrainingOutputs = {
  readonly total: tf.Tensor;
  readonly parts: { readonly [name: string]: tf.Tensor };
  readonly probabilities: tf.Tensor;
  readonly observations: TensorTree;
  /** Global norm of the gradients before clipping, []; where they are clipped. */
  readonly gradientNorm?: tf.Tensor;
};

/** [batch, classes], each row summing to 1. */
export type PredictionOutputs = { readonly probabilities: tf.Tensor };

/** Two learning rates, each decayed to `floor` by a cosine over all steps. */
export interface LearningRates {
  readonly encoder: number;
  readonly head: number;
  readonly floor: number;
}

/** What a step does beside loss, gradients and AdamW. */
export interface StepOptions {
  /** Largest global norm of the gradients: {@link clipGlobalNorm}. Default: no limit. */
  readonly clipNorm?: number | undefined;
}

/**
 * One training step of a method as a pure function: loss, gradients by tfjs autodiff, AdamW.
 * Enqueueing is not in it: the caller hands `outputs.observations` to the method's memory afterwards.
 *
 * What it does follows from the structure of state and inputs, so that one state serves it all without a copy:
 * - a state without `gradients`: each call is a whole step.
 * - a state with `gradients` ({@link initialTrainingState} with `accumulate`): a step's batch comes in parts. Each call
 *   adds `weight` times its part's gradient; the one that brings the `schedule` then moves the parameters by the sum.
 *   All parts read the same memory, which the caller updates after the last. For losses that are means over the posts
 *   (all of DRF's: its other terms depend on the queues alone) the step equals that of the whole batch up to rounding.
 *   A loss that compares the posts of a batch with each other sees only those of its part.
 * - no `labels`: the posts are judged, and the state stays as it is.
 */
export function createTrainingStep<Batch extends TensorTree = BatchInputs>(
  method: Method<Batch>,
  optimizer: AdamWOptions,
  options: StepOptions = {},
): PureStep<TrainingState, TrainingInputs<Batch>, TrainingOutputs> {
  const isTrained = trainedBy(method);
  const judge = (state: TrainingState, { batch, memory }: PredictionInputs<Batch>) => {
    const { probabilities } = method.predict(state.parameters, batch, memory ?? {});
    return { state, outputs: { probabilities } as unknown as TrainingOutputs };
  };
  return (state, inputs) => {
    if (inputs.labels === undefined) return judge(state, inputs);
    const { part, schedule } = inputs;
    const { gradients, auxiliary } = valueAndGradients(
      (parameters) => {
        const result = method.loss(parameters, inputs.batch, inputs.labels, inputs.memory ?? {});
        const { parts, observations, prediction, total } = result;
        const auxiliary = { total, parts, observations, probabilities: prediction.probabilities };
        return { loss: part === undefined ? total : tf.mul(total, part.weight), auxiliary };
      },
      state.parameters,
      isTrained,
    );
    const sum = part === undefined ? gradients : accumulated(state.gradients as TensorTree, gradients, part.keep);
    if (schedule === undefined) return { state: { ...state, gradients: unflattenTree(sum) }, outputs: auxiliary };
    const { clipNorm } = options;
    const clipped = clipNorm === undefined ? undefined : clipGlobalNorm(sum, clipNorm);
    const { parameters, moments } = adamW(
      state.parameters,
      clipped?.gradients ?? sum,
      state.moments,
      schedule,
      optimizer,
      learningRateGroup,
    );
    return {
      state: { ...state, parameters, moments },
      outputs: { ...auxiliary, ...(clipped === undefined ? {} : { gradientNorm: clipped.norm }) },
    };
  };
}

/** Which of a method's parameters get gradients. */
export function trainedBy<Batch extends TensorTree>({
  isTrained,
}: Pick<Method<Batch>, 'isTrained'>): (flatName: string) => boolean {
  return isTrained ?? isTrainedByDefault;
}

/**
 * The state before the first step.
 * @param isTrained which parameters get gradients and so moments: {@link trainedBy}
 * @param accumulate whether steps are computed in parts
 */
export function initialTrainingState(
  parameters: HostTree,
  isTrained: (flatName: string) => boolean = isTrainedByDefault,
  accumulate = false,
): Host<TrainingState> {
  const moments = initialMoments(parameters, isTrained);
  return { parameters, moments, ...(accumulate ? { gradients: initialGradients(parameters, isTrained) } : {}) };
}

/** What step `step` (from 0) of `totalSteps` is told about learning rates and bias corrections. */
export function stepSchedule(
  step: number,
  totalSteps: number,
  rates: LearningRates,
  optimizer: AdamWOptions,
): Host<NonNullable<TrainingInputs['schedule']>> {
  const corrections = biasCorrections(step + 1, optimizer);
  const rate = (peak: number): number => cosineLearningRate(peak, Math.min(rates.floor, peak), step, totalSteps);
  return {
    learningRates: { encoder: hostScalar(rate(rates.encoder)), head: hostScalar(rate(rates.head)) },
    firstCorrection: hostScalar(corrections.first),
    secondCorrection: hostScalar(corrections.second),
  };
}
