import * as tf from '@tensorflow/tfjs';
import { AFTER_KERNEL } from '@drf/tensor';

/** The same value, through which no gradient flows. */
export function stopGradient<T extends tf.Tensor>(tensor: T): T {
  const stopped = tf.customGrad((input) => ({
    value: tf.clone(input as tf.Tensor),
    gradFunc: () => tf.zerosLike(input as tf.Tensor),
  }));
  return stopped(tensor) as T;
}

/** Whether operations are recorded for a compiled program, not computed: only such a backend has the kernel. */
function isTracing(): boolean {
  return tf.getKernel(AFTER_KERNEL, tf.getBackend()) !== undefined;
}

/**
 * While tracing: the tensors again, such that nothing computed from them is merged with what was computed from the
 * originals, and nothing is computed from them before `event` is known. Eagerly, they are what they are.
 */
function after(tensors: readonly tf.Tensor[], event: tf.Tensor): readonly tf.Tensor[] {
  if (!isTracing()) return tensors;
  const inputs = Object.fromEntries([...tensors.entries(), ['event', event] as const]);
  return tf.engine().runKernel<tf.Tensor[]>(AFTER_KERNEL, inputs);
}

/** Where {@link recompute} computes anew. */
export interface RecomputeOptions {
  /**
   * Eagerly, `compute(inputs)` and no more. For small parts of which there are many: compiled they cost little, while
   * a backend such as wasm copies the inputs to keep them.
   */
  readonly onlyCompiled?: boolean;
}

/** Gradients of `compute` at `inputs` along `dy`, while tfjs is in the middle of a gradient, whose tape it would drop. */
function gradientsInside(
  compute: () => tf.Tensor,
  inputs: readonly tf.Tensor[],
  dy: tf.Tensor,
): readonly (tf.Tensor | undefined)[] {
  const { state } = tf.engine();
  const outer = state.activeTape;
  try {
    return tf.engine().gradients(compute, [...inputs], dy, true).grads;
  } finally {
    state.activeTape = outer;
  }
}

/**
 * `compute(inputs)`, of which the gradient keeps the inputs alone: it computes the intermediate values anew, one more
 * forward computation for less memory (Chen et al. 2016, "Training Deep Nets with Sublinear Memory Cost"), both
 * eagerly and compiled.
 * @param compute pure; what it captures gets no gradient, so everything to be differentiated must be among the inputs
 * @param inputs float32 ones get gradients (zeros where the result does not depend on them)
 * @returns the tensor that `compute` returns
 */
export function recompute(
  compute: (inputs: readonly tf.Tensor[]) => tf.Tensor,
  inputs: readonly tf.Tensor[],
  options: RecomputeOptions = {},
): tf.Tensor {
  if (options.onlyCompiled === true && !isTracing()) return compute(inputs);
  const isFloat = inputs.map(({ dtype }) => dtype === 'float32');
  const floats = inputs.filter((_, i) => isFloat[i]);
  const others = inputs.filter((_, i) => !isFloat[i]);
  /** Puts the two kinds back into the order of the inputs. */
  const ordered = (tensors: readonly tf.Tensor[]): tf.Tensor[] => {
    let [nextFloat, nextOther] = [0, floats.length];
    return isFloat.map((float) => tensors[float ? nextFloat++ : nextOther++] as tf.Tensor);
  };
  const run = tf.customGrad((...given) => {
    const save = given.pop() as tf.GradSaveFunc;
    const all = [...(given as tf.Tensor[]), ...others];
    save(all);
    const gradFunc = (dy: tf.Tensor, saved: tf.Tensor[]): tf.Tensor[] => {
      const again = after(saved, dy);
      const differentiated = again.slice(0, floats.length);
      const gradients = gradientsInside(() => compute(ordered(again)), differentiated, dy);
      return gradients.map((gradient, i) => gradient ?? tf.zerosLike(differentiated[i] as tf.Tensor));
    };
    return { value: compute(ordered(all)), gradFunc };
  });
  return run(...floats);
}

/**
 * An element-wise function of which the derivative is known. Compiled, the gradient is dy · `slope(x)`, and of all that
 * is computed only x is kept for it; eagerly, this is `compute(x)` and no more.
 * @param compute of x, a tensor of x's shape
 * @param slope its derivative at x, of x's shape
 */
export function withSlope(
  compute: (x: tf.Tensor) => tf.Tensor,
  slope: (x: tf.Tensor) => tf.Tensor,
  x: tf.Tensor,
): tf.Tensor {
  if (!isTracing()) return compute(x);
  const run = tf.customGrad((input, save) => {
    const given = input as tf.Tensor;
    (save as tf.GradSaveFunc)([given]);
    const gradFunc = (dy: tf.Tensor, saved: tf.Tensor[]): tf.Tensor => {
      const [again] = after(saved, dy) as [tf.Tensor];
      return tf.mul(dy, slope(again));
    };
    return { value: compute(given), gradFunc };
  });
  return run(x);
}
