import { UnavailableError } from '@drf/tensor';
import { lastLines, runCommand } from '@drf/terminal';
import { cpuSecondsOfChildren, watchMemory } from '../measure.js';
import type { Run } from './turns.js';

/** Runs a command to its end. @throws UnavailableError with what it printed when it fails */
export async function measureCommand(
  command: string,
  args: readonly string[],
  environment: NodeJS.ProcessEnv = process.env,
): Promise<Omit<Run, 'posts'> & { readonly stdout: string }> {
  const cpuBefore = await cpuSecondsOfChildren();
  const memory = watchMemory('Pss');
  const startedAt = performance.now();
  const { code, stdout, stderr } = await runCommand(command, args, { environment });
  const seconds = (performance.now() - startedAt) / 1000;
  const peakMegabytes = memory.stop();
  if (code !== 0) {
    const received = `exit code ${code}: ${lastLines(stderr || stdout)}`;
    throw new UnavailableError({ subject: [command, ...args].join(' '), expected: 'to end well', received, remedy: 'run it by itself' }); // prettier-ignore
  }
  return { seconds, cpuSeconds: (await cpuSecondsOfChildren()) - cpuBefore, peakMegabytes, stdout };
}
