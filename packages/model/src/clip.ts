import * as tf from '@tensorflow/tfjs';

/** As in PyTorch, so that a norm of 0 divides nothing by nothing. */
const EPSILON = 1e-6;

/** √(Σ‖g‖²) over all gradients together, []. */
export function globalNorm(gradients: ReadonlyMap<string, tf.Tensor>): tf.Tensor {
  return tf.sqrt(tf.addN([...gradients.values()].map((gradient) => tf.sum(tf.square(gradient)))));
}

/**
 * Scales all gradients together so that their global norm is at most `limit`: g ← g · min(1, limit / (norm + 1e-6)).
 * Source: torch.nn.utils.clip_grad_norm_ with its defaults; Pascanu, Mikolov, Bengio (2013).
 * @returns the scaled gradients, and the norm from before
 */
export function clipGlobalNorm(
  gradients: ReadonlyMap<string, tf.Tensor>,
  limit: number,
): { gradients: Map<string, tf.Tensor>; norm: tf.Tensor } {
  const norm = globalNorm(gradients);
  const scale = tf.minimum(tf.div(limit, tf.add(norm, EPSILON)), 1); // []
  return { gradients: new Map([...gradients].map(([name, gradient]) => [name, tf.mul(gradient, scale)])), norm };
}
