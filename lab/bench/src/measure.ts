import { readFile } from 'node:fs/promises';
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

const MS_BETWEEN_LOOKS = 500;

/**
 * Watches what processes hold, with all that they started, by Linux's /proc.
 * @param measure `Rss`: what is resident; `Pss`: of what several processes share, to each its part
 * @param pids processes to begin with; without, those that this process started
 * @returns what ends it and gives the peak in MiB; null where the system does not tell
 */
export function watchMemory(measure: 'Rss' | 'Pss', pids?: readonly number[]): { readonly stop: () => number | null } {
  let largest: number | null = null;
  const look = async (): Promise<void> => {
    const sizes = await Promise.all((pids ?? (await childrenOf(process.pid))).map((pid) => bytesOf(pid, measure)));
    largest = Math.max(largest ?? 0, sizes.reduce((sum, bytes) => sum + bytes, 0) / 2 ** 20);
  };
  const timer = setInterval(() => void look().catch(() => undefined), MS_BETWEEN_LOOKS);
  return {
    stop: () => {
      clearInterval(timer);
      return largest;
    },
  };
}

async function childrenOf(pid: number): Promise<number[]> {
  const children = await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8');
  return children.trim().split(' ').filter(Boolean).map(Number);
}

/** Of a process and all that it started. */
async function bytesOf(pid: number, measure: 'Rss' | 'Pss'): Promise<number> {
  const sizes = await readFile(`/proc/${pid}/smaps_rollup`, 'utf8');
  let bytes = 1024 * Number(new RegExp(`^${measure}:\\s+(\\d+)`, 'm').exec(sizes)?.[1] ?? 0);
  for (const child of await childrenOf(pid)) bytes += await bytesOf(child, measure).catch(() => 0); // it has ended
  return bytes;
}

/** Clock ticks a second in /proc, on every Linux. */
const TICKS = 100;

/** Processor seconds of all processes that this one started and that have ended, with those that they started; NaN where the system does not tell. */
export async function cpuSecondsOfChildren(): Promise<number> {
  const stat = await readFile('/proc/self/stat', 'utf8').catch(() => '');
  const [user, system] = stat
    .slice(stat.lastIndexOf(')') + 2)
    .split(' ')
    .slice(13, 15)
    .map(Number); // cutime, cstime
  return ((user ?? NaN) + (system ?? NaN)) / TICKS;
}
