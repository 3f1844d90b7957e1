import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createCompiledEngine } from '@drf/engine';
import { DataError } from '@drf/tensor';
import { formatTable } from '@drf/terminal';
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
  readonly args?: { readonly op_name?: string; readonly input_type_shape?: readonly object[] };
}

/** Such as "Gemm [528,768] [768,768]". */
function withShapes(operator: string, inputs: readonly object[] = []): string {
  const shapes = inputs.flatMap((input) => Object.values(input) as readonly (readonly number[])[]);
  return [operator, ...shapes.map((shape) => `[${shape.join()}]`)].join(' ');
}

/**
 * Sums ONNX Runtime's profile by operator, per run of the model, the costliest first.
 * @param shapes whether the shapes of its inputs tell an operator apart
 */
export function summarizeProfile(events: readonly ProfileEvent[], shapes = false): KernelTime[] {
  const runs = Math.max(1, events.filter((event) => event.name === 'model_run').length);
  const sums = new Map<string, { calls: number; microseconds: number }>();
  for (const { cat, name, dur, args } of events) {
    if (cat !== 'Node' || !name.endsWith('kernel_time') || args?.op_name === undefined) continue;
    const operator = shapes ? withShapes(args.op_name, args.input_type_shape) : args.op_name;
    const sum = sums.get(operator) ?? { calls: 0, microseconds: 0 };
    sums.set(operator, { calls: sum.calls + 1, microseconds: sum.microseconds + dur });
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

/**
 * Profiles what ends its engine itself.
 * @param run gets the prefix of the profile's file
 */
export async function profiled<T>(
  run: (profilePrefix: string) => Promise<T>,
  shapes: boolean,
): Promise<{ readonly result: T; readonly kernels: readonly KernelTime[] }> {
  const folder = await mkdtemp(join(tmpdir(), 'drf-profile-'));
  try {
    const result = await run(join(folder, 'profile'));
    const [file] = await readdir(folder);
    if (file === undefined) {
      throw new DataError({ subject: 'bench', expected: 'a profile of ONNX Runtime', received: 'no file' });
    }
    const events = JSON.parse(await readFile(join(folder, file), 'utf8')) as ProfileEvent[];
    return { result, kernels: summarizeProfile(events, shapes) };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Profiles the peer's workload by kernel. */
export async function profileKernels(sizes: WorkloadSizes, steps: number, shapes = false): Promise<KernelReport> {
  const { result: times, kernels } = await profiled(async (profilePrefix) => {
    const engine = await createCompiledEngine({ profilePrefix });
    const workload = await createWorkload(engine, sizes);
    const taken = await timeCalls((number) => workload.step(number), steps, 1);
    await engine.dispose(); // which ends the profile
    return taken;
  }, shapes);
  return {
    kernels,
    sessionMilliseconds: kernels.reduce((sum, kernel) => sum + kernel.milliseconds, 0),
    stepMilliseconds: times.reduce((sum, time) => sum + time, 0) / times.length,
  };
}

/** A table of the costliest. */
export function kernelTable(kernels: readonly KernelTime[], most = Infinity): string {
  return formatTable(
    ['operator', 'calls a step', 'ms a step'],
    kernels
      .slice(0, most)
      .map(({ operator, calls, milliseconds }) => [operator, calls.toFixed(0), milliseconds.toFixed(2)]),
  );
}
