import * as tf from '@tensorflow/tfjs';
import { hostTensor, NonFiniteError, type Engine, type Program } from '@drf/tensor';

const PRODUCTS = 4;
/** Few enough numbers for plain JavaScript. */
const SMALLEST_SIDE = 192;
const LARGEST_SIDE = 1024;
/** A call of so many seconds says more about multiplying than about calling. */
const SECONDS = 0.15;

type Factors = { readonly factor: tf.Tensor };

/** Every number of a product of matrices filled with 1/side is 1/side again. */
function repeatedProduct(_constants: Record<string, never>, { factor }: Factors): { readonly corner: tf.Tensor } {
  let product = factor as tf.Tensor2D;
  for (let i = 0; i < PRODUCTS; i++) product = tf.matMul(product, factor);
  return { corner: tf.slice(product, [0, 0], [1, 1]) };
}

/** The faster of two calls, after one that does not count, in GFLOP/s. The matrix is an input: a constant could be folded. */
async function rateAt(
  program: Program<Factors, { readonly corner: tf.Tensor }>,
  side: number,
  name: string,
): Promise<number> {
  const factor = hostTensor(new Float32Array(side * side).fill(1 / side), [side, side]);
  let milliseconds = Infinity;
  for (const counts of [false, true, true]) {
    const started = performance.now();
    const value = (await program.run({ factor })).corner.data[0] as number;
    if (counts) milliseconds = Math.min(milliseconds, performance.now() - started);
    if (Math.abs(value * side - 1) < 1e-3) continue;
    throw new NonFiniteError({
      subject: `Engine ${name}, a product of matrices,`,
      expected: String(1 / side),
      received: String(value),
      remedy: 'choose another engine: this one computes wrongly',
    });
  }
  return (2 * PRODUCTS * side ** 3) / milliseconds / 1e6;
}

/** The side at which a call takes about {@link SECONDS}, a multiple of 64. */
function sideFor(gflops: number): number {
  const side = Math.cbrt((SECONDS * gflops * 1e9) / (2 * PRODUCTS));
  return Math.min(LARGEST_SIDE, 64 * Math.floor(side / 64));
}

/**
 * How fast an engine multiplies matrices, in GFLOP/s, measured in about a second. The results are checked.
 * @throws NonFiniteError when the engine computes something else
 */
export async function productRate(engine: Engine): Promise<number> {
  const program = await engine.prepare(repeatedProduct, {});
  try {
    const rough = await rateAt(program, SMALLEST_SIDE, engine.name);
    const side = sideFor(rough);
    return side <= SMALLEST_SIDE ? rough : await rateAt(program, side, engine.name);
  } finally {
    await program.dispose();
  }
}
