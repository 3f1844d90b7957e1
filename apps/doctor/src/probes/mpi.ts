import { isDrfError } from '@drf/tensor';
import type { Machine } from '../machine.js';
import type { Finding } from '../report.js';
import { MACHINES } from './slurm.js';

async function libraryFinding({ mpiLibrary }: Machine): Promise<Finding> {
  const subject = 'MPI library';
  try {
    const { version, path } = await mpiLibrary();
    return { topic: MACHINES, subject, mark: 'good', found: `${version} (${path}), which koffi loads` };
  } catch (error) {
    const found = isDrfError(error) ? error.report.received : String(error);
    const remedy = isDrfError(error) ? error.report.remedy : undefined;
    const advice = `only --distributed mpi needs it; ${remedy ?? 'install Open MPI'}`;
    return { topic: MACHINES, subject, mark: 'absent', found, advice };
  }
}

async function launcherFinding({ findProgram }: Machine): Promise<Finding> {
  const subject = 'mpirun or srun';
  const path = await findProgram(['mpirun', 'srun']);
  if (path !== undefined) return { topic: MACHINES, subject, mark: 'good', found: path };
  const advice = 'only --distributed mpi needs one ("apt-get install openmpi-bin")';
  return { topic: MACHINES, subject, mark: 'absent', found: 'not on the path', advice };
}

/** What training in several processes needs. */
export async function probeMpi(machine: Machine): Promise<Finding[]> {
  return [await libraryFinding(machine), await launcherFinding(machine)];
}
