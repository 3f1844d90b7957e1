import { lastLines } from '@drf/terminal';
import type { Machine } from '../machine.js';
import type { Finding } from '../report.js';

/** Topic of what gives work to other machines. */
export const MACHINES = 'Several machines';

/** Whether this machine can submit to a Slurm whose controller answers. */
export async function probeSlurm(machine: Machine): Promise<Finding[]> {
  const subject = 'Slurm';
  const { code, stdout, stderr, missing } = await machine.run('scontrol', ['ping'], { timeoutMilliseconds: 5000 });
  if (missing) {
    const advice = '"--on slurm" works where Slurm does, such as on a login node';
    return [{ topic: MACHINES, subject, mark: 'absent', found: 'no command scontrol', advice }];
  }
  if (code === 0 && /\bUP\b/.test(stdout)) {
    return [{ topic: MACHINES, subject, mark: 'good', found: lastLines(stdout, 1) }];
  }
  const advice = 'its controller has to answer before "--on slurm" works: see SLURM_CONF and slurmctld';
  return [{ topic: MACHINES, subject, mark: 'warning', found: lastLines(stderr || stdout, 1), advice }];
}
