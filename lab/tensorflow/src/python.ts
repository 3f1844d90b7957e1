import { UnavailableError } from '@drf/tensor';
import { lastLines, type RunCommand } from '@drf/terminal';
import type { Tools } from './tools.js';

/** A Python whose pip works: it knows the user's package index, mirrors and certificates. */
export interface Python {
  readonly command: string;
  readonly pipVersion: string;
}

/** @throws UnavailableError saying what each candidate lacks */
export async function findPython(run: RunCommand, environment: NodeJS.ProcessEnv = process.env): Promise<Python> {
  const named = environment['PYTHON'];
  const candidates = named === undefined || named === '' ? ['python3', 'python'] : [named];
  const reasons: string[] = [];
  for (const command of candidates) {
    const result = await run(command, ['-m', 'pip', '--version'], { timeoutMilliseconds: 60_000 });
    const version = /^pip (\S+)/m.exec(result.stdout)?.[1];
    if (result.code === 0 && version !== undefined) return { command, pipVersion: version };
    reasons.push(`${command}: ${result.missing ? 'not found' : lastLines(result.stderr, 1)}`);
  }
  throw new UnavailableError({
    subject: 'Fetching a TensorFlow wheel',
    expected: 'a Python with pip, which knows your package index',
    received: reasons.join(', '),
    remedy:
      'install one ("apt-get install python3-pip"), name it by PYTHON, or fetch a wheel elsewhere and pass it by --from-wheel',
  });
}

/**
 * The package index that pip would ask, whatever file, variable or default it comes from.
 * @returns nothing when pip does not say, or hides a password in it
 */
export async function packageIndex(run: RunCommand, python: Python): Promise<string | undefined> {
  const environment = { ...process.env, COLUMNS: '500' }; // one line an option
  const { stdout } = await run(python.command, ['-m', 'pip', 'download', '--help'], { environment });
  const url = /--index-url.*\(default (https?:\/\/[^\s)]+)\)/.exec(stdout)?.[1];
  return url === undefined || url.includes('****') ? undefined : url.replace(/\/+$/, '');
}

/**
 * Puts the CUDA libraries that a wheel asks for (its extra `and-cuda`) beside it, where its library looks for them:
 * `nvidia/…/lib`. pip chooses the versions and fetches them.
 * @throws UnavailableError when pip cannot
 */
export async function installCudaLibraries(
  requirements: readonly string[],
  folder: string,
  tools: Tools,
): Promise<void> {
  if (requirements.length === 0) return;
  const python = await findPython(tools.run);
  tools.say(`Fetching ${requirements.length} CUDA packages by pip …`);
  const args = ['-m', 'pip', 'install', '--no-deps', '--only-binary=:all:', '--target', folder, ...requirements];
  const result = await tools.run(python.command, args, { signal: tools.signal, onOutput: tools.relay });
  tools.signal?.throwIfAborted();
  if (result.code === 0) return;
  throw new UnavailableError({
    subject: 'Fetching the CUDA libraries',
    expected: `pip to install ${requirements.join(' ')}`,
    received: lastLines(result.stderr, 2),
    remedy: 'check the network and the free disk space (about 5 GB), or build for the CPU by --cpu',
  });
}
