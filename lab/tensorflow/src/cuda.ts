import { UnavailableError } from '@drf/tensor';
import { findPython } from './python.js';
import { lastLines } from '@drf/terminal';
import type { Tools } from './tools.js';

/** Whether the driver sees a GPU. */
export async function hasGpu(run: Tools['run']): Promise<boolean> {
  const { code, stdout } = await run('nvidia-smi', ['--list-gpus'], { timeoutMilliseconds: 20_000 });
  return code === 0 && /^GPU \d+:/m.test(stdout);
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
