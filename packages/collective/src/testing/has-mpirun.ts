import { execFileSync } from 'node:child_process';

/** Whether tests can start ranks: there is an `mpirun` on the path. */
export function hasMpirun(): boolean {
  try {
    execFileSync('mpirun', ['--version'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}
