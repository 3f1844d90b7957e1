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

/** Room that one worker is given: features of both splits, tensors, the runtime. */
export const BYTES_A_WORKER = 1.5 * 2 ** 30;

const ONE_WORKER: Resources = { cores: 1, memoryBytes: BYTES_A_WORKER };

/** How many workers fit, at least one. @param worker what one takes; default: a core and {@link BYTES_A_WORKER} */
export function workersThatFit(available: Resources, worker: Resources = ONE_WORKER): number {
  const byCores = Math.floor(available.cores / worker.cores);
  const byMemory = worker.memoryBytes > 0 ? Math.floor(available.memoryBytes / worker.memoryBytes) : Infinity;
  return Math.max(1, Math.min(byCores, byMemory));
}

/** Cores that the control group allows, at least one; infinite without a limit. */
export async function coreQuota(): Promise<number> {
  const [max] = await numbersOf('/sys/fs/cgroup/cpu.max');
  if (max !== undefined) {
    const [quota, period] = await numbersOf('/sys/fs/cgroup/cpu.max');
    return quota !== undefined && period !== undefined && period > 0 ? Math.max(1, quota / period) : Infinity;
  }
  const [quota = -1] = await numbersOf('/sys/fs/cgroup/cpu/cpu.cfs_quota_us');
  const [period = 0] = await numbersOf('/sys/fs/cgroup/cpu/cpu.cfs_period_us');
  return quota > 0 && period > 0 ? Math.max(1, quota / period) : Infinity;
}

/** Numbers of a small file; "max" and everything unreadable is none. */
async function numbersOf(path: string): Promise<number[]> {
  const text = await readFile(path, 'utf8').catch(() => '');
  const values = text.trim().split(/\s+/).map(Number);
  return values.some((value) => !Number.isFinite(value)) || text === '' ? [] : values;
}

/** Linux counts what caches would give back; elsewhere what is free. */
async function memoryAvailable(): Promise<number> {
  const text = await readFile('/proc/meminfo', 'utf8').catch(() => '');
  const kibibytes = Number(/^MemAvailable:\s+(\d+)/m.exec(text)?.[1]);
  return Number.isFinite(kibibytes) ? kibibytes * 1024 : freemem();
}
