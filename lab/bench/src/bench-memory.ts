import { createEngine } from '@drf/engine';
import { createWorkload, type WorkloadSizes } from './workload.js';

export interface MemoryReport {
  readonly early: { readonly step: number; readonly megabytes: number };
  readonly late: { readonly step: number; readonly megabytes: number };
  /** (late − early) / early; negative when memory was given back. */
  readonly growth: number;
}

function residentMegabytes(): number {
  return process.memoryUsage().rss / 2 ** 20;
}

/** Resident size early and late in a long run of the workload. */
export async function measureMemory(
  sizes: WorkloadSizes,
  options: {
    readonly engine: string;
    readonly early: number;
    readonly steps: number;
    readonly onStep?: (step: number) => void;
  },
): Promise<MemoryReport> {
  const engine = await createEngine(options.engine);
  const workload = await createWorkload(engine, sizes);
  let early = 0;
  for (let step = 1; step <= options.steps; step++) {
    await workload.step(step - 1);
    options.onStep?.(step);
    if (step === options.early) early = residentMegabytes();
  }
  const late = residentMegabytes();
  await engine.dispose();
  return {
    early: { step: options.early, megabytes: early },
    late: { step: options.steps, megabytes: late },
    growth: (late - early) / early,
  };
}
