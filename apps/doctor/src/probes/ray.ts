import { rayVersion } from '@drf/units';
import type { Machine } from '../machine.js';
import { MACHINES } from './slurm.js';
import type { Finding } from '../report.js';

const PATIENCE_MS = 3000;

/** Where Ray's own programs look for the dashboard, as `--on` writes it; nothing where none is named. */
function dashboardOf({ environment }: Machine): string | undefined {
  const { RAY_API_SERVER_ADDRESS: api = '', RAY_ADDRESS: address = '' } = environment;
  const named = [api, address].find((each) => /^https?:/.test(each));
  return named?.replace(/^http/, 'ray');
}

/**
 * Whether the Ray cluster that the environment names answers, takes the token, and is new enough. Without one nothing is
 * asked.
 * @param ask for tests
 */
export async function probeRay(
  machine: Machine,
  ask: (address: string) => Promise<string> = (address) =>
    rayVersion(address, { attempts: 1, patienceMs: PATIENCE_MS }),
): Promise<Finding[]> {
  const subject = 'Ray';
  const address = dashboardOf(machine);
  if (address === undefined) {
    const advice = 'to examine one for "--on ray://HEAD:8265", set RAY_API_SERVER_ADDRESS=http://HEAD:8265';
    return [{ topic: MACHINES, subject, mark: 'absent', found: 'no cluster named', advice }];
  }
  try {
    return [{ topic: MACHINES, subject, mark: 'good', found: `${await ask(address)} at ${address}` }];
  } catch (error) {
    const found = `not usable at ${address}`;
    return [{ topic: MACHINES, subject, mark: 'warning', found, advice: (error as Error).message }];
  }
}
