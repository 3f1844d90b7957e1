import { createCompiledEngine, createEngine } from '@drf/engine';
import { matrixProductPeak, median, timeCalls } from './measure.js';
import { createWorkload, stepFlops, type WorkloadSizes } from './workload.js';

export interface StepReport {
  readonly engine: string;
  /** Median over the measured steps, queues' update included. */
  readonly msPerStep: number;
  readonly fastest: number;
  readonly steps: number;
  readonly gflops: number;
  /** Only when asked for. */
  readonly peakGflops?: number;
  /** Of the first step, which a compiled engine traces and prepares. */
  readonly firstMs: number;
  readonly residentMegabytes: number;
}

export interface StepOptions {
  readonly steps: number;
  readonly warmUp: number;
  readonly peak: boolean;
  /** Whether the compiled engine's idle threads wait by spinning. */
  readonly spinning?: boolean | undefined;
}

/** Measures the peer's workload on an engine. */
export async function measureStep(engineName: string, sizes: WorkloadSizes, options: StepOptions): Promise<StepReport> {
  const engine = await (options.spinning === true
    ? createCompiledEngine({ spinning: true })
    : createEngine(engineName));
  try {
    const workload = await createWorkload(engine, sizes);
    const step = (number: number): Promise<number> => workload.step(number);
    const [firstMs = 0] = await timeCalls(step, 1, 0);
    const times = await timeCalls(step, options.steps, options.warmUp);
    const msPerStep = median(times);
    return {
      engine: engine.name,
      msPerStep,
      fastest: Math.min(...times),
      steps: options.steps,
      gflops: stepFlops(sizes) / msPerStep / 1e6,
      ...(options.peak ? { peakGflops: await matrixProductPeak() } : {}),
      firstMs,
      residentMegabytes: process.memoryUsage().rss / 2 ** 20,
    };
  } finally {
    await engine.dispose();
  }
}
