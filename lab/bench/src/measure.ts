import { compile } from '@drf/engine';
import { hostTensor } from '@drf/tensor';
import * as tf from '@tensorflow/tfjs';

export function median(numbers: readonly number[]): number {
  const sorted = [...numbers].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const upper = sorted[middle] as number;
  return sorted.length % 2 === 1 ? upper : (upper + (sorted[middle - 1] as number)) / 2;
}

/** Milliseconds of each of `count` calls, after `warmUp` calls that do not count. The call gets its number from 0. */
export async function timeCalls(
  call: (number: number) => Promise<unknown>,
  count: number,
  warmUp: number,
): Promise<number[]> {
  const times: number[] = [];
  for (let number = 0; number < warmUp + count; number++) {
    const started = performance.now();
    await call(number);
    if (number >= warmUp) times.push(performance.now() - started);
  }
  return times;
}

const SIDE = 1024;
const PRODUCTS = 4;

/** This machine's best rate at products of large matrices, in GFLOP/s: the fastest of several runs. */
export async function matrixProductPeak(): Promise<number> {
  const side = new Float32Array(SIDE * SIDE).fill(1 / SIDE);
  const inputs = { x: hostTensor(side, [SIDE, SIDE]), w: hostTensor(side, [SIDE, SIDE]) };
  const compiled = compile(({ x, w }: { readonly x: tf.Tensor; readonly w: tf.Tensor }) => {
    let product = x;
    for (let i = 0; i < PRODUCTS; i++) product = tf.matMul(product, w);
    return { corner: tf.slice(product, [0, 0], [1, 1]) };
  }, inputs);
  const times = await timeCalls(() => compiled.run(inputs), 8, 2);
  await compiled.dispose();
  return (2 * PRODUCTS * SIDE ** 3) / Math.min(...times) / 1e6;
}
