import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createCompiledEngine } from '@drf/engine';
import { DataError } from '@drf/tensor';
import { timeCalls } from './measure.js';
import { createWorkload, type WorkloadSizes } from './workload.js';

/** Time of one kind of operator in a step. */
export interface KernelTime {
  readonly operator: string;
  readonly calls: number;
  readonly milliseconds: number;
}

interface ProfileEvent {
  readonly cat?: string;
  readonly name: string;
  readonly dur: number;
  readonly args?: { readonly op_name?: string };
}

/** Sums ONNX Runtime's profile by operator, per run of the model, the costliest first. */
export function summarizeProfile(events: readonly ProfileEvent[]): KernelTime[] {
  const runs = Math.max(1, events.filter((event) => event.name === 'model_run').length);
  const sums = new Map<string, { calls: number; microseconds: number }>();
  for (const { cat, name, dur, args } of events) {
    if (cat !== 'Node' || !name.endsWith('kernel_time') || args?.op_name === undefined) continue;
    const sum = sums.get(args.op_name) ?? { calls: 0, microseconds: 0 };
    sums.set(args.op_name, { calls: sum.calls + 1, microseconds: sum.microseconds + dur });
  }
  return [...sums]
    .map(([operator, { calls, microseconds }]) => {
      return { operator, calls: calls / runs, milliseconds: microseconds / 1000 / runs };
    })
    .sort((a, b) => b.milliseconds - a.milliseconds);
}

export interface KernelReport {
  readonly kernels: readonly KernelTime[];
  /** Inside the runtime, by its own clock. */
  readonly sessionMilliseconds: number;
  /** Whole steps under profiling: session, loops after it, messages, queues. */
  readonly stepMilliseconds: number;
}

/** Profiles the peer's workload by kernel. */
export async function profileKernels(sizes: WorkloadSizes, steps: number): Promise<KernelReport> {
  const folder = await mkdtemp(join(tmpdir(), 'drf-profile-'));
  try {
    const engine = await createCompiledEngine({ profilePrefix: join(folder, 'profile') });
    const workload = await createWorkload(engine, sizes);
    const times = await timeCalls((number) => workload.step(number), steps, 1);
    await engine.dispose(); // which ends the profile
    const [file] = await readdir(folder);
    if (file === undefined) {
      throw new DataError({ subject: 'bench kernels', expected: 'a profile of ONNX Runtime', received: 'no file' });
    }
    const kernels = summarizeProfile(JSON.parse(await readFile(join(folder, file), 'utf8')) as ProfileEvent[]);
    return {
      kernels,
      sessionMilliseconds: kernels.reduce((sum, kernel) => sum + kernel.milliseconds, 0),
      stepMilliseconds: times.reduce((sum, time) => sum + time, 0) / times.length,
    };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
