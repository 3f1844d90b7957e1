import { createCompiledEngine } from '@drf/engine';
import { median } from '../measure.js';
import { createEncoderWorkload, type EncoderSizes, type MODES, type PARTS } from './workload.js';

/** What either side reports of one process. */
export interface SideReport {
  /** Median wall-clock time of a call. */
  readonly seconds: number;
  /** Processor time of a call, all threads: what remains comparable when other work takes turns on the cores. */
  readonly cpuSeconds: number;
  /** Largest resident size of the whole process, start-up included. */
  readonly peakMegabytes: number;
  readonly setting: string;
}

export interface CallCounts {
  readonly calls: number;
  readonly warmUp: number;
}

/** How our engine waits and what it writes. */
export interface EngineSetting {
  /** Whether its idle threads wait by spinning; default asleep. */
  readonly spinning?: boolean;
  /** Where ONNX Runtime writes its profile, as the first part of a file name. */
  readonly profilePrefix?: string;
}

export interface EncoderTask {
  readonly part: (typeof PARTS)[number];
  readonly mode: (typeof MODES)[number];
  readonly sizes: EncoderSizes;
}

/** Runs a task on the compiled engine in this process. Its peak memory counts only in a process of its own. */
export async function measureEncoders(
  { part, mode, sizes }: EncoderTask,
  { calls, warmUp }: CallCounts,
  setting: EngineSetting = {},
): Promise<SideReport> {
  const engine = await createCompiledEngine(setting);
  const workload = await createEncoderWorkload(engine, part, mode, sizes);
  const times: number[] = [];
  let before = process.cpuUsage();
  for (let number = 0; number < warmUp + calls; number++) {
    if (number === warmUp) before = process.cpuUsage();
    const started = performance.now();
    await workload.call(number);
    if (number >= warmUp) times.push((performance.now() - started) / 1000);
  }
  const { user, system } = process.cpuUsage(before);
  await engine.dispose();
  return {
    seconds: median(times),
    cpuSeconds: (user + system) / 1e6 / calls,
    peakMegabytes: process.resourceUsage().maxRSS / 1024,
    setting: `${engine.name}, threads wait ${setting.spinning === true ? 'by spinning' : 'asleep'}, Node ${process.version}`,
  };
}
