import * as tf from '@tensorflow/tfjs';
import { hostTensor, named, type PerPost, type TensorTree } from '@drf/tensor';
import type { Method } from './method.js';
import { isTrainedByDefault } from './trained.js';

/** Their name among a method's parameters: so checkpoints hold them, and a run goes on with the same. */
const NAME = 'classWeights';

/**
 * A method whose classification losses count each post by the weight of its class. Everything else stays: recovery,
 * constraint, contrast and restraint do not ask for the class's frequency, and predictions do not see the weights.
 * @param weights [classes]
 */
export function withClassWeights(method: Method, weights: Float32Array): Method {
  return {
    ...method,
    initialParameters: (random) => ({
      ...method.initialParameters(random),
      [NAME]: hostTensor(Float32Array.from(weights), [weights.length]),
    }),
    isTrained: (flatName) => flatName !== NAME && (method.isTrained ?? isTrainedByDefault)(flatName),
  };
}

/** What a method with {@link withClassWeights} weighs each post of a batch by, [batch]; without, nothing. */
export function postWeights(parameters: TensorTree, labels: PerPost): PerPost | undefined {
  const weights = parameters[NAME] as tf.Tensor1D | undefined;
  if (weights === undefined) return undefined;
  return named(tf.gather(weights, tf.cast(labels, 'int32') as tf.Tensor1D), ['batch']);
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
