import * as tf from '@tensorflow/tfjs';
import { hostTensor, NonFiniteError, type Engine } from '@drf/tensor';

const PRODUCTS = 4;
/** Short enough to wait for in plain JavaScript, and long enough on fast engines. */
const SMALL_SIDE = 192;
const LARGE_SIDE = 1024;
/** A first call of fewer milliseconds says more about calling than about multiplying. */
const TOO_SHORT = 60;

type Factors = { readonly factor: tf.Tensor };

/** Every number of a product of matrices filled with 1/side is 1/side again. */
function repeatedProduct({ factor }: Factors): { readonly corner: tf.Tensor } {
  let product = factor as tf.Tensor2D;
  for (let i = 0; i < PRODUCTS; i++) product = tf.matMul(product, factor as tf.Tensor2D);
  return { corner: tf.slice(product, [0, 0], [1, 1]) };
}

/** The fastest of some calls, after one that does not count, in GFLOP/s. */
async function rateAt(engine: Engine, side: number, calls: number): Promise<{ gflops: number; milliseconds: number }> {
  const factor = hostTensor(new Float32Array(side * side).fill(1 / side), [side, side]);
  const program = await engine.prepare(repeatedProduct, { factor });
  let milliseconds = Infinity;
  for (let call = 0; call <= calls; call++) {
    const started = performance.now();
    const value = (await program.run({})).corner.data[0] as number;
    if (call > 0) milliseconds = Math.min(milliseconds, performance.now() - started);
    if (!(Math.abs(value * side - 1) < 1e-3)) {
      throw new NonFiniteError({
        subject: `Engine ${engine.name}, a product of matrices,`,
        expected: String(1 / side),
        received: String(value),
        remedy: 'choose another engine: this one computes wrongly',
      });
    }
  }
  await program.dispose();
  return { gflops: (2 * PRODUCTS * side ** 3) / milliseconds / 1e6, milliseconds };
}

/**
 * How fast an engine multiplies matrices, in GFLOP/s, measured in about a second. The results are checked.
 * @throws NonFiniteError when the engine computes something else
 */
export async function productRate(engine: Engine): Promise<number> {
  const small = await rateAt(engine, SMALL_SIDE, 2);
  return small.milliseconds > TOO_SHORT ? small.gflops : (await rateAt(engine, LARGE_SIDE, 3)).gflops;
}
