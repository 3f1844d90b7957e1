import * as tf from '@tensorflow/tfjs';
import {
  flattenTree,
  hostScalar,
  hostTensor,
  unflattenTree,
  type Host,
  type HostTensor,
  type HostTree,
  type Scalar,
  type TensorTree,
} from '@drf/tensor';
import { initialMoments } from './adamw.js';

/** How a part of a step's batch counts, each []. */
export type StepPart = {
  /** The part's share of the step's posts. */
  readonly weight: Scalar;
  /** 0 for the first part of a step, which forgets the former step's gradients, else 1. */
  readonly keep: Scalar;
};

/** Room for the gradients of a step's parts: zeros, for the parameters that are trained. */
export function initialGradients(parameters: HostTree, isTrained: (flatName: string) => boolean): HostTree {
  return initialMoments(parameters, isTrained).first;
}

/** keep · sum + g: the first part of a step keeps nothing of what the former step left. */
export function accumulated(
  sums: TensorTree,
  gradients: ReadonlyMap<string, tf.Tensor>,
  keep: tf.Tensor,
): Map<string, tf.Tensor> {
  const flat = flattenTree<tf.Tensor>(sums);
  return new Map(
    [...gradients].map(([name, gradient]) => [name, tf.add(tf.mul(flat.get(name) as tf.Tensor, keep), gradient)]),
  );
}

/** What part `index` of a step is told: `posts` of the step's `total`. */
export function stepPart(index: number, posts: number, total: number): Host<StepPart> {
  return { weight: hostScalar(posts / total), keep: hostScalar(index === 0 ? 0 : 1) };
}

/**
 * Outputs of a step's parts as if the batch had been whole: numbers [] become their mean, weighted by posts; everything
 * else has a row a post and is put end to end. What only the last part says (the gradients' norm) is taken from it.
 * @param posts of each part
 */
export function joinParts(outputs: readonly HostTree[], posts: readonly number[]): HostTree {
  if (outputs.length === 1) return outputs[0] as HostTree;
  const parts = outputs.map((output) => flattenTree<HostTensor>(output));
  const last = parts.at(-1) as ReadonlyMap<string, HostTensor>;
  return unflattenTree(
    [...last].map(([name, own]) => {
      const leaves = parts.flatMap((part) => part.get(name) ?? []);
      if (leaves.length < parts.length) return [name, own] as const;
      return [name, own.shape.length === 0 ? weightedMean(leaves, posts) : endToEnd(leaves)] as const;
    }),
  );
}

function weightedMean(numbers: readonly HostTensor[], posts: readonly number[]): HostTensor {
  const total = posts.reduce((sum, count) => sum + count, 0);
  return hostScalar(
    numbers.reduce((sum, { data }, i) => sum + ((data[0] as number) * (posts[i] as number)) / total, 0),
  );
}

function endToEnd(parts: readonly HostTensor[]): HostTensor {
  const [first] = parts as [HostTensor];
  const size = parts.reduce((sum, { data }) => sum + data.length, 0);
  const joined = first.dtype === 'float32' ? new Float32Array(size) : new Int32Array(size);
  let offset = 0;
  for (const { data } of parts) {
    joined.set(data, offset);
    offset += data.length;
  }
  return hostTensor(joined, [parts.reduce((sum, { shape }) => sum + (shape[0] as number), 0), ...first.shape.slice(1)]);
}
