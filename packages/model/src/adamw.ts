import * as tf from '@tensorflow/tfjs';
import {
  ConfigurationError,
  flattenTree,
  hostTensor,
  mapTree,
  named,
  sizeOf,
  unflattenTree,
  withLeaves,
  type HostTensor,
  type HostTree,
  type Scalar,
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

/** A tree of the same structure, all zeros: moments at the start, and room for gradients. */
export function zerosLike(parameters: HostTree): HostTree {
  return mapTree(parameters, ({ shape }: HostTensor) => hostTensor(new Float32Array(sizeOf(shape)), shape));
}

/** Moments at the start: zeros. @param parameters those that are trained */
export function initialMoments(parameters: HostTree): { readonly first: HostTree; readonly second: HostTree } {
  return { first: zerosLike(parameters), second: zerosLike(parameters) };
}

/**
 * 1/(1 − β₁ⁿ) and 1/(1 − β₂ⁿ) for step n ≥ 1, in double precision: float32 would lose four digits of 1 − β₂.
 */
export function biasCorrections(step: number, options: AdamWOptions): { first: number; second: number } {
  return { first: 1 / (1 - options.beta1 ** step), second: 1 / (1 - options.beta2 ** step) };
}

/** What changes from step to step, as tensors of shape []. */
export type AdamWSchedule = {
  readonly learningRate: Scalar;
  readonly firstCorrection: Scalar;
  readonly secondCorrection: Scalar;
};

/**
 * One AdamW step (Loshchilov and Hutter 2019, Algorithm 2):
 *   m ← β₁m + (1 − β₁)g;  v ← β₂v + (1 − β₂)g²;  p ← p − lr·(m̂ / (√v̂ + ε) + decay·p)
 * @param gradients of the parameters, in their structure
 */
export function adamW(
  parameters: TensorTree,
  gradients: TensorTree,
  moments: AdamWMoments,
  { learningRate: rate, firstCorrection, secondCorrection }: AdamWSchedule,
  options: AdamWOptions,
): { parameters: TensorTree; moments: AdamWMoments } {
  const slopes = flattenTree<tf.Tensor>(gradients);
  const first = flattenTree<tf.Tensor>(moments.first);
  const second = flattenTree<tf.Tensor>(moments.second);
  const updated = [...flattenTree<tf.Tensor>(parameters)].map(([name, parameter]) => {
    const gradient = slopes.get(name) as tf.Tensor;
    const m = tf.add(tf.mul(first.get(name) as tf.Tensor, options.beta1), tf.mul(gradient, 1 - options.beta1));
    const v = tf.add(
      tf.mul(second.get(name) as tf.Tensor, options.beta2),
      tf.mul(tf.square(gradient), 1 - options.beta2),
    );
    const denominator = tf.add(tf.sqrt(tf.mul(v, secondCorrection)), options.epsilon);
    const direction = tf.div(m, denominator);
    const kept = parameter.rank >= 2 ? tf.mul(parameter, tf.sub(1, tf.mul(rate, options.weightDecay))) : parameter;
    const next = tf.sub(kept, tf.mul(direction, tf.mul(rate, firstCorrection)));
    return [name, { next, m, v }] as const;
  });
  const tree = (leaf: 'next' | 'm' | 'v'): TensorTree => unflattenTree(updated.map(([name, own]) => [name, own[leaf]]));
  return { parameters: tree('next'), moments: { first: tree('m'), second: tree('v') } };
}

/** √(Σ‖g‖²) over all gradients together, []. */
export function globalNorm(gradients: TensorTree): Scalar {
  const leaves = [...flattenTree<tf.Tensor>(gradients).values()];
  return named(tf.sqrt(tf.addN(leaves.map((gradient) => tf.sum(tf.square(gradient))))), []);
}

/** As in PyTorch, so that a norm of 0 divides nothing by nothing. */
const NORM_EPSILON = 1e-6;

/**
 * Scales all gradients together so that their global norm is at most `limit`: g ← g · min(1, limit / (norm + 1e-6)).
 * Source: torch.nn.utils.clip_grad_norm_ with its defaults; Pascanu, Mikolov, Bengio (2013).
 * @returns the scaled gradients, and the norm from before
 */
export function clipGlobalNorm(
  gradients: TensorTree,
  limit: number,
): { readonly gradients: TensorTree; readonly norm: Scalar } {
  const norm = globalNorm(gradients);
  const scale = tf.minimum(tf.div(limit, tf.add(norm, NORM_EPSILON)), 1); // []
  return { gradients: mapTree(gradients, (gradient) => tf.mul(gradient, scale)), norm };
}

/**
 * Cosine decay over all steps: `peak` at step 0, `floor` at the last step.
 * @param step 0 … totalSteps − 1
 * @throws ConfigurationError when the step lies outside
 */
export function cosineLearningRate(peak: number, floor: number, step: number, totalSteps: number): number {
  if (!(step >= 0 && step < Math.max(1, totalSteps))) {
    throw new ConfigurationError({
      subject: 'cosineLearningRate',
      expected: `a step from 0 to ${totalSteps - 1}`,
      received: String(step),
    });
  }
  const progress = totalSteps <= 1 ? 0 : step / (totalSteps - 1);
  return floor + 0.5 * (peak - floor) * (1 + Math.cos(Math.PI * progress));
}

/**
 * Value, gradients in the structure of the parameters, and whatever else the function made on its way.
 * Tensors in `auxiliary` are kept from tfjs's tidying inside the gradient; the caller owns all results.
 * @param run gives the loss (shape []) and auxiliary tensors
 * @param parameters all of which get a gradient
 */
export function valueAndGradients<P extends TensorTree, Auxiliary extends TensorTree>(
  run: (parameters: P) => { readonly loss: tf.Tensor; readonly auxiliary: Auxiliary },
  parameters: P,
): { loss: tf.Tensor; gradients: P; auxiliary: Auxiliary } {
  const flat = [...flattenTree<tf.Tensor>(parameters)];
  const rebuilt = (leaves: readonly tf.Tensor[]): P =>
    withLeaves(parameters, new Map(flat.map(([name], i) => [name, leaves[i] as tf.Tensor])));
  let auxiliary: Auxiliary | undefined;
  const compute = tf.valueAndGrads((...leaves: tf.Tensor[]) => {
    const result = run(rebuilt(leaves));
    auxiliary = result.auxiliary;
    for (const tensor of flattenTree<tf.Tensor>(auxiliary).values()) tf.keep(tensor);
    return result.loss as tf.Scalar;
  });
  const { value, grads } = compute(flat.map(([, tensor]) => tensor));
  return { loss: value, gradients: rebuilt(grads), auxiliary: auxiliary as Auxiliary };
}
