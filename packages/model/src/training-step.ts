import type * as tf from '@tensorflow/tfjs';
import {
  hostScalar,
  type Host,
  type HostTree,
  type PerPost,
  type PureStep,
  type Scalar,
  type TensorTree,
} from '@drf/tensor';
import { adamW, biasCorrections, initialMoments, type AdamWMoments, type AdamWOptions } from './adamw.js';
import { valueAndGradients } from './gradients.js';
import type { BatchInputs, Method } from './method.js';
import { cosineLearningRate } from './schedule.js';

/** Parameters and AdamW moments; the step number stays with the caller, who turns it into {@link stepSchedule}. */
export type TrainingState = { readonly parameters: TensorTree; readonly moments: AdamWMoments };

export type TrainingInputs = {
  readonly batch: BatchInputs;
  /** int32 [batch] */
  readonly labels: PerPost;
  readonly memory: TensorTree;
  readonly schedule: {
    readonly learningRates: { readonly encoder: Scalar; readonly head: Scalar };
    readonly firstCorrection: Scalar;
    readonly secondCorrection: Scalar;
  };
};

export type TrainingOutputs = {
  readonly total: tf.Tensor;
  readonly parts: { readonly [name: string]: tf.Tensor };
  readonly probabilities: tf.Tensor;
  readonly observations: TensorTree;
};

/** Two learning rates, each decayed to `floor` by a cosine over all steps. */
export interface LearningRates {
  readonly encoder: number;
  readonly head: number;
  readonly floor: number;
}

/**
 * Whether a parameter is trained; scalings of encoder outputs and what was measured on the training posts are part of
 * the parameters but stay as they are.
 */
export function isTrained(flatName: string): boolean {
  return !/^(\w+Scaling|measured)\./.test(flatName);
}

/** Parameters under `encoders` learn at the encoders' rate, everything else at the head's. */
export function learningRateGroup(flatName: string): 'encoder' | 'head' {
  return flatName.startsWith('encoders.') ? 'encoder' : 'head';
}

/**
 * One training step of a method as a pure function: loss, gradients by tfjs autodiff, AdamW.
 * Enqueueing is not in it: the caller hands `outputs.observations` to the method's memory afterwards.
 */
export function createTrainingStep(
  method: Method,
  optimizer: AdamWOptions,
): PureStep<TrainingState, TrainingInputs, TrainingOutputs> {
  return (state, inputs) => {
    const { loss, gradients, auxiliary } = valueAndGradients(
      (parameters) => {
        const result = method.loss(parameters, inputs.batch, inputs.labels, inputs.memory);
        const { parts, observations, prediction } = result;
        return { loss: result.total, auxiliary: { parts, observations, probabilities: prediction.probabilities } };
      },
      state.parameters,
      isTrained,
    );
    const { parameters, moments } = adamW(
      state.parameters,
      gradients,
      state.moments,
      inputs.schedule,
      optimizer,
      learningRateGroup,
    );
    return { state: { parameters, moments }, outputs: { total: loss, ...auxiliary } };
  };
}

/** The state before the first step. */
export function initialTrainingState(parameters: HostTree): Host<TrainingState> {
  return { parameters, moments: initialMoments(parameters, isTrained) };
}

/** What step `step` (from 0) of `totalSteps` is told about learning rates and bias corrections. */
export function stepSchedule(
  step: number,
  totalSteps: number,
  rates: LearningRates,
  optimizer: AdamWOptions,
): Host<TrainingInputs['schedule']> {
  const corrections = biasCorrections(step + 1, optimizer);
  const rate = (peak: number): number => cosineLearningRate(peak, Math.min(rates.floor, peak), step, totalSteps);
  return {
    learningRates: { encoder: hostScalar(rate(rates.encoder)), head: hostScalar(rate(rates.head)) },
    firstCorrection: hostScalar(corrections.first),
    secondCorrection: hostScalar(corrections.second),
  };
}
