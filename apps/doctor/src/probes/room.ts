import { tmpdir } from 'node:os';
import { nativeFolder } from '@drf/engine';
import { cacheFolder } from '@drf/files';
import { type Finding, formatBytes } from '../report.js';
import type { Machine } from '../machine.js';

const MEMORY = 'Memory';
const DISK = 'Disk';

/** Training the quick start takes about half a gigabyte. */
const LEAST_MEMORY = 0.75e9;
const COMFORTABLE_MEMORY = 3e9;
/** Checkpoints of a run and features of a small data set. */
const LEAST_DISK = 0.5e9;
const COMFORTABLE_DISK = 5e9;

interface Memory {
  readonly total: number;
  readonly available: number;
  readonly limited: boolean;
}

const numberIn = (text: string | undefined): number | undefined => {
  const value = Number(text?.trim());
  return text !== undefined && text.trim() !== '' && Number.isFinite(value) ? value : undefined;
};

/** Memory of the machine, or of the container (cgroup 2, else 1) when that has less. */
async function readMemory({ readText, totalMemory, freeMemory }: Machine): Promise<Memory> {
  const kilobytes = /^MemAvailable:\s+(\d+) kB/m.exec((await readText('/proc/meminfo')) ?? '')?.[1];
  const available = kilobytes === undefined ? freeMemory : Number(kilobytes) * 1024;
  const [limit, used] = await Promise.all(
    [
      ['memory.max', 'memory/memory.limit_in_bytes'],
      ['memory.current', 'memory/memory.usage_in_bytes'],
    ].map(async (names) => {
      for (const name of names) {
        const value = numberIn(await readText(`/sys/fs/cgroup/${name}`));
        if (value !== undefined) return value;
      }
      return undefined;
    }),
  );
  if (limit === undefined || limit >= totalMemory) return { total: totalMemory, available, limited: false };
  return { total: limit, available: Math.min(available, limit - (used ?? 0)), limited: true };
}

async function memoryFinding(machine: Machine): Promise<Finding> {
  const { total, available, limited } = await readMemory(machine);
  const found = `${formatBytes(available)} free of ${formatBytes(total)}${limited ? ' (the container’s limit)' : ''}`;
  const subject = 'Free memory';
  if (available >= COMFORTABLE_MEMORY) return { topic: MEMORY, subject, mark: 'good', found };
  const advice =
    available < LEAST_MEMORY
      ? `end other programs or raise the limit: the quick start needs ${formatBytes(LEAST_MEMORY)}`
      : 'enough for the quick start; larger encoders and batches want more';
  return { topic: MEMORY, subject, mark: available < LEAST_MEMORY ? 'problem' : 'warning', found, advice };
}

async function diskFinding(machine: Machine, subject: string, folder: string, needed: boolean): Promise<Finding> {
  const bytes = await machine.freeBytes(folder);
  if (bytes === undefined) {
    const advice = `check the disk of ${folder}`;
    return { topic: DISK, subject, mark: 'warning', found: 'free space cannot be told', advice };
  }
  const found = `${formatBytes(bytes)} free (${folder})`;
  if (bytes >= COMFORTABLE_DISK) return { topic: DISK, subject, mark: 'good', found };
  const advice = 'free some disk space; checkpoints, features and downloaded models go there';
  return { topic: DISK, subject, mark: needed && bytes < LEAST_DISK ? 'problem' : 'warning', found, advice };
}

export async function probeRoom(machine: Machine): Promise<Finding[]> {
  return Promise.all([
    memoryFinding(machine),
    diskFinding(machine, 'Working folder', machine.workingFolder, true),
    diskFinding(machine, 'Feature cache', cacheFolder(machine.environment, machine.home), true),
    diskFinding(machine, 'Temporary files', tmpdir(), false),
    diskFinding(machine, 'Native TensorFlow', nativeFolder(machine.environment, machine.home), false),
  ]);
}
