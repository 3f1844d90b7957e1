import { isDrfError } from '@drf/tensor';
import type { Machine } from '../machine.js';
import type { Finding } from '../report.js';

const DISTRIBUTED = 'Several machines';

async function libraryFinding({ mpiLibrary }: Machine): Promise<Finding> {
  const subject = 'MPI library';
  try {
    const { version, path } = await mpiLibrary();
    return { topic: DISTRIBUTED, subject, mark: 'good', found: `${version} (${path}), which koffi loads` };
  } catch (error) {
    const found = isDrfError(error) ? error.report.received : String(error);
    const remedy = isDrfError(error) ? error.report.remedy : undefined;
    const advice = `only --distributed mpi needs it; ${remedy ?? 'install Open MPI'}`;
    return { topic: DISTRIBUTED, subject, mark: 'absent', found, advice };
  }
}

async function launcherFinding({ findProgram }: Machine): Promise<Finding> {
  const subject = 'mpirun or srun';
  const path = await findProgram(['mpirun', 'srun']);
  if (path !== undefined) return { topic: DISTRIBUTED, subject, mark: 'good', found: path };
  const advice = 'only --distributed mpi needs one ("apt-get install openmpi-bin")';
  return { topic: DISTRIBUTED, subject, mark: 'absent', found: 'not on the path', advice };
}

/** What training in several processes needs. */
export async function probeMpi(machine: Machine): Promise<Finding[]> {
  return [await libraryFinding(machine), await launcherFinding(machine)];
}
