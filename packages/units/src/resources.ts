import { readFile } from 'node:fs/promises';
import { availableParallelism, freemem, totalmem } from 'node:os';

/** What this process may use, inside its container. */
export interface Resources {
  readonly cores: number;
  readonly memoryBytes: number;
}

/** Cores and memory, by scheduler affinity, control groups (versions 2 and 1) and what is free now. */
export async function availableResources(): Promise<Resources> {
  const quota = await coreQuota();
  const cores = Math.max(1, Math.min(availableParallelism(), Math.floor(quota)));
  const limit = process.constrainedMemory?.() ?? 0;
  const constrained = limit > 0 && limit < totalmem() ? limit : totalmem();
  const free = await memoryAvailable();
  return { cores, memoryBytes: Math.min(constrained, free) };
}

/**
 * Options of Node for a worker beside others. Its garbage is mostly rows of numbers, which die young: collected when memory
 * calls for it and by the worker's own thread, it takes a third less of the cores, which other workers need.
 */
export const WORKER_OPTIONS = ['--single-threaded-gc', '--no-incremental-marking'];

/** Variables by which decoders and numeric libraries keep to a worker's share of the cores. */
export function threadVariables(threads: number): Readonly<Record<string, string>> {
  return { OMP_NUM_THREADS: String(threads), VIPS_CONCURRENCY: String(threads) };
}

/** Room that one worker is given: features of both splits, tensors, the runtime. */
export const BYTES_A_WORKER = 1.5 * 2 ** 30;

const ONE_WORKER: Resources = { cores: 1, memoryBytes: BYTES_A_WORKER };

/** How many workers fit, at least one. @param worker what one takes; default: a core and {@link BYTES_A_WORKER} */
export function workersThatFit(available: Resources, worker: Resources = ONE_WORKER): number {
  const byCores = Math.floor(available.cores / worker.cores);
  const byMemory = worker.memoryBytes > 0 ? Math.floor(available.memoryBytes / worker.memoryBytes) : Infinity;
  return Math.max(1, Math.min(byCores, byMemory));
}

/**
 * Cores that the control group (version 2, else 1) allows at a time, also parts of one; infinite without a limit.
 * @param read the text of a file, or nothing where it cannot be read
 */
export async function coreQuota(read: (path: string) => Promise<string | undefined> = readSmall): Promise<number> {
  const version2 = await read('/sys/fs/cgroup/cpu.max'); // "150000 100000", or "max 100000"
  const version1 = (name: string): Promise<string | undefined> => read(`/sys/fs/cgroup/cpu/cpu.cfs_${name}_us`);
  const texts = version2?.trim().split(/\s+/) ?? [await version1('quota'), await version1('period')];
  const [quota = NaN, period = NaN] = texts.map(Number);
  return quota > 0 && period > 0 ? quota / period : Infinity;
}

function readSmall(path: string): Promise<string | undefined> {
  return readFile(path, 'utf8').catch(() => undefined);
}

/** Linux counts what caches would give back; elsewhere what is free. */
async function memoryAvailable(): Promise<number> {
  const text = (await readSmall('/proc/meminfo')) ?? '';
  const kibibytes = Number(/^MemAvailable:\s+(\d+)/m.exec(text)?.[1]);
  return Number.isFinite(kibibytes) ? kibibytes * 1024 : freemem();
}
