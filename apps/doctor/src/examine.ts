import * as tf from '@tensorflow/tfjs';
import type { EngineName } from '@drf/tensor';
import type { Machine } from './machine.js';
import { makeReport, type Finding, type Report } from './report.js';
import { probePlatform, type Wanted } from './probes/platform.js';
import { probeEngines } from './probes/engines.js';
import { probeGpu, probeNativeFiles } from './probes/native.js';
import { probeMpi } from './probes/mpi.js';
import { probeHubAndCaches } from './probes/hub.js';
import { probeLibraries, probeOptional } from './probes/software.js';
import { probeObjectStorage } from './probes/object-storage.js';
import { probeRay } from './probes/ray.js';
import { probeRoom } from './probes/room.js';
import { probeSlurm } from './probes/slurm.js';

interface ExamineOptions {
  /** Hashes every file of the native build. */
  readonly verify?: boolean;
  /** `s3://bucket/prefix`, where a small object is written and removed. */
  readonly s3?: string;
  readonly onStage?: (stage: string) => void;
}

/**
 * Looks at everything. What only waits runs at once; engines are measured one after the other when the rest is done, so
 * that nothing slows them down.
 */
export async function examine(machine: Machine, wanted: Wanted, options: ExamineOptions = {}): Promise<Report> {
  const { verify = false, onStage = () => undefined } = options;
  tf.env().set('IS_TEST', true); // TensorFlow.js greets Node users with advice; the report has its own
  const started = performance.now();
  onStage('machine, disk, network');
  const [platform, room, libraries, hub, objects, ray, slurm, mpi, optional] = await Promise.all([
    probePlatform(machine, wanted),
    probeRoom(machine),
    probeLibraries(machine),
    probeHubAndCaches(machine),
    probeObjectStorage(machine, options.s3),
    probeRay(machine),
    probeSlurm(machine),
    probeMpi(machine),
    wanted.pnpm === null ? [] : probeOptional(machine),
  ]);
  const engines = await probeEngines(machine, (name: EngineName) => onStage(`engine ${name}`));
  const usesCuda = engines.some(({ subject, mark }) => subject === 'compiled:cuda' && mark === 'good');
  const gpu = await probeGpu(machine, usesCuda);
  if (verify) onStage('hashes of native TensorFlow');
  const files = await probeNativeFiles(machine, verify);
  const findings: Finding[] = [
    platform,
    room,
    libraries,
    engines,
    files,
    gpu,
    hub,
    objects,
    ray,
    slurm,
    mpi,
    optional,
  ].flat();
  return makeReport(findings, (performance.now() - started) / 1000);
}
