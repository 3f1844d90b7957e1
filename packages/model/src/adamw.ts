import * as tf from '@tensorflow/tfjs';
import {
  flattenTree,
  hostTensor,
  sizeOf,
  type HostTensor,
  unflattenTree,
  type HostTree,
  type TensorTree,
} from '@drf/tensor';

/** What stays the same over all steps of AdamW. */
export interface AdamWOptions {
  readonly beta1: number;
  readonly beta2: number;
  readonly epsilon: number;
  /** Decoupled; on matrices (rank 2 and more) only, none on biases and normalization parameters. */
  readonly weightDecay: number;
}

/**
 * β = 0.9 and 0.999, ε = 1e-8, decay 0.01, as PyTorch has them; the paper names AdamW and gives none of these numbers.
 * PyTorch decays every parameter, this code only matrices.
 */
export const ADAMW_DEFAULTS: AdamWOptions = { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0.01 };

/** Running means of the gradients and of their squares, one leaf a parameter. */
export type AdamWMoments = { readonly first: TensorTree; readonly second: TensorTree };

/** Moments at the start: zeros, for the parameters that are trained. */
export function initialMoments(
  parameters: HostTree,
  isTrained: (flatName: string) => boolean = () => true,
): { first: HostTree; second: HostTree } {
  const zeros = (): HostTree =>
    unflattenTree(
      [...flattenTree<HostTensor>(parameters)]
        .filter(([name]) => isTrained(name))
        .map(([name, { shape }]) => [name, hostTensor(new Float32Array(sizeOf(shape)), shape)] as const),
    );
  return { first: zeros(), second: zeros() };
}

/**
 * 1/(1 − β₁ⁿ) and 1/(1 − β₂ⁿ) for step n ≥ 1, in double precision: float32 would lose four digits of 1 − β₂.
 */
export function biasCorrections(step: number, options: AdamWOptions): { first: number; second: number } {
  return { first: 1 / (1 - options.beta1 ** step), second: 1 / (1 - options.beta2 ** step) };
}

/** What changes from step to step, as tensors of shape []. */
export type AdamWSchedule = {
  /** Learning rate of each parameter group, by its name. */
  readonly learningRates: { readonly [group: string]: tf.Tensor };
  readonly firstCorrection: tf.Tensor;
  readonly secondCorrection: tf.Tensor;
};

/**
 * One AdamW step (Loshchilov and Hutter 2019, Algorithm 2):
 *   m ← β₁m + (1 − β₁)g;  v ← β₂v + (1 − β₂)g²;  p ← p − lr·(m̂ / (√v̂ + ε) + decay·p)
 * @param gradients by flat name; a parameter without one stays as it is
 * @param groupOf names the learning-rate group of a parameter by its flat name
 */
export function adamW(
  parameters: TensorTree,
  gradients: ReadonlyMap<string, tf.Tensor>,
  moments: AdamWMoments,
  schedule: AdamWSchedule,
  options: AdamWOptions,
  groupOf: (flatName: string) => string,
): { parameters: TensorTree; moments: AdamWMoments } {
  const first = flattenTree(moments.first);
  const second = flattenTree(moments.second);
  const updated = [...flattenTree(parameters)].map(([name, parameter]) => {
    const gradient = gradients.get(name);
    if (gradient === undefined) return { name, next: parameter };
    const rate = schedule.learningRates[groupOf(name)] as tf.Tensor;
    const m = tf.add(tf.mul(first.get(name) as tf.Tensor, options.beta1), tf.mul(gradient, 1 - options.beta1));
    const v = tf.add(
      tf.mul(second.get(name) as tf.Tensor, options.beta2),
      tf.mul(tf.square(gradient), 1 - options.beta2),
    );
    const denominator = tf.add(tf.sqrt(tf.mul(v, schedule.secondCorrection)), options.epsilon);
    const direction = tf.div(m, denominator);
    const kept = parameter.rank >= 2 ? tf.mul(parameter, tf.sub(1, tf.mul(rate, options.weightDecay))) : parameter;
    const next = tf.sub(kept, tf.mul(direction, tf.mul(rate, schedule.firstCorrection)));
    return { name, next, m, v };
  });
  type Updated = { readonly name: string; readonly next: tf.Tensor; readonly m?: tf.Tensor; readonly v?: tf.Tensor };
  const tree = (pick: (entry: Updated) => tf.Tensor | undefined): TensorTree =>
    unflattenTree(
      updated.flatMap((entry) => {
        const tensor = pick(entry);
        return tensor === undefined ? [] : [[entry.name, tensor] as const];
      }),
    );
  return { parameters: tree((e) => e.next), moments: { first: tree((e) => e.m), second: tree((e) => e.v) } };
}
