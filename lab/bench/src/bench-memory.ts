import { createEngine } from '@drf/engine';
import { createEncoderWorkload, type EncoderSizes } from './encoders/workload.js';
import { createWorkload, type WorkloadSizes } from './workload.js';

interface MemoryReport {
  readonly early: { readonly step: number; readonly megabytes: number };
  readonly late: { readonly step: number; readonly megabytes: number };
  /** (late − early) / early; negative when memory was given back. */
  readonly growth: number;
  /** The largest resident size of the process so far. */
  readonly peakMegabytes: number;
  readonly secondsPerStep: number;
}

interface MemoryOptions {
  readonly engine: string;
  readonly early: number;
  readonly steps: number;
  readonly onStep?: (step: number) => void;
}

function residentMegabytes(): number {
  return process.memoryUsage().rss / 2 ** 20;
}

/** Resident size early and late in a long run of steps. */
async function watchMemory(
  step: (number: number) => Promise<unknown>,
  options: Omit<MemoryOptions, 'engine'>,
): Promise<MemoryReport> {
  let early = 0;
  const started = performance.now();
  for (let number = 1; number <= options.steps; number++) {
    await step(number - 1);
    options.onStep?.(number);
    if (number === options.early) early = residentMegabytes();
  }
  const late = residentMegabytes();
  return {
    early: { step: options.early, megabytes: early },
    late: { step: options.steps, megabytes: late },
    growth: (late - early) / early,
    peakMegabytes: process.resourceUsage().maxRSS / 1024,
    secondsPerStep: (performance.now() - started) / 1000 / options.steps,
  };
}

/** Memory over steps of the head's workload. */
export async function measureMemory(sizes: WorkloadSizes, options: MemoryOptions): Promise<MemoryReport> {
  const engine = await createEngine(options.engine);
  const workload = await createWorkload(engine, sizes);
  const report = await watchMemory((number) => workload.step(number), options);
  await engine.dispose();
  return report;
}

/** Memory while both encoders are fine-tuned under DRF, with texts of several lengths in turns. */
export async function measureEncodersMemory(
  sizes: EncoderSizes,
  lengths: readonly number[],
  options: Omit<MemoryOptions, 'engine'>,
): Promise<MemoryReport> {
  const engine = await createEngine('compiled');
  const workload = await createEncoderWorkload(engine, 'both', 'step', sizes, lengths);
  const report = await watchMemory((number) => workload.call(number), options);
  await engine.dispose();
  return report;
}
