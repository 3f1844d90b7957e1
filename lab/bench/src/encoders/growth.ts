import { createCompiledEngine } from '@drf/engine';
import type { MemoryReport } from '../bench-memory.js';
import { createEncoderWorkload, type EncoderSizes } from './workload.js';

export interface GrowthReport extends MemoryReport {
  readonly peakMegabytes: number;
  readonly secondsPerStep: number;
}

/** Resident size of fine-tuning both encoders under DRF, early and late in a run, with texts of several lengths in turns. */
export async function measureGrowth(
  sizes: EncoderSizes,
  lengths: readonly number[],
  options: { readonly early: number; readonly steps: number; readonly onStep?: (step: number) => void },
): Promise<GrowthReport> {
  const resident = (): number => process.memoryUsage().rss / 2 ** 20;
  const engine = await createCompiledEngine();
  const workload = await createEncoderWorkload(engine, 'both', 'step', sizes, lengths);
  let early = 0;
  const started = performance.now();
  for (let step = 1; step <= options.steps; step++) {
    await workload.call(step - 1);
    options.onStep?.(step);
    if (step === options.early) early = resident();
  }
  const secondsPerStep = (performance.now() - started) / 1000 / options.steps;
  const late = resident();
  await engine.dispose();
  return {
    early: { step: options.early, megabytes: early },
    late: { step: options.steps, megabytes: late },
    growth: (late - early) / early,
    peakMegabytes: process.resourceUsage().maxRSS / 1024,
    secondsPerStep,
  };
}
