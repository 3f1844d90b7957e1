import { join } from 'node:path';
import { assertBuildIntact, type InstalledBuild, nativeFolder, readInstalledBuild } from '@drf/engine';
import { spell } from '@drf/terminal';
import type { Machine } from '../machine.js';
import type { Finding } from '../report.js';

const GPU = 'GPU';

/** Libraries of CUDA 12 that a native TensorFlow for a GPU opens, by the start of their file names. */
const CUDA_LIBRARIES = [
  'libcudart.so',
  'libcublas.so',
  'libcudnn.so',
  'libcufft.so',
  'libcusolver.so',
  'libcusparse.so',
];

async function listGpus({ run }: Machine): Promise<string[]> {
  const query = ['--query-gpu=name,driver_version,memory.total', '--format=csv,noheader'];
  const { code, stdout } = await run('nvidia-smi', query, { timeoutMilliseconds: 5000 });
  return code === 0 ? stdout.split('\n').filter((line) => line.trim() !== '') : [];
}

/** The build in use; a damaged one is the engines' line to report. */
function build({ environment, home }: Machine): InstalledBuild | undefined {
  try {
    return readInstalledBuild(nativeFolder(environment, home));
  } catch {
    return undefined;
  }
}

/** Names of the CUDA libraries that the loader finds: beside the build (its run path), or on the system. */
async function foundLibraries(
  machine: Machine,
  installed: InstalledBuild | undefined,
): Promise<ReadonlyMap<string, string>> {
  const { stdout } = await machine.run('ldconfig', ['-p'], { timeoutMilliseconds: 5000 });
  const system = [...stdout.matchAll(/=>\s+(\S+)/g)].map(([, path]) => path as string);
  const own = (installed?.files ?? []).map((file) => join(installed?.folder ?? '', file.path));
  const found = new Map<string, string>();
  for (const path of [...own, ...system]) {
    const library = CUDA_LIBRARIES.find((name) => path.slice(path.lastIndexOf('/') + 1).startsWith(name));
    if (library !== undefined && !found.has(library)) found.set(library, path);
  }
  return found;
}

function gpuFinding(gpus: readonly string[], installed: InstalledBuild | undefined, usesCuda: boolean): Finding {
  const subject = 'NVIDIA GPU';
  if (gpus.length === 0) {
    const wanted = installed?.device === 'gpu';
    const found = 'none that nvidia-smi lists';
    const advice = wanted
      ? `the installed TensorFlow is for a GPU: check the driver, or run ${spell('tensorflow:install --cpu')}`
      : 'none is needed: the engine "compiled" computes on the CPU';
    return { topic: GPU, subject, mark: wanted ? 'warning' : 'absent', found, advice };
  }
  const found = gpus.join('; ');
  if (installed?.device === 'gpu' || usesCuda) return { topic: GPU, subject, mark: 'good', found };
  return {
    topic: GPU,
    subject,
    mark: 'warning',
    found: `${found}, not used`,
    advice: `the line of compiled:cuda says what it lacks; or run ${spell('tensorflow:install --gpu')}`,
  };
}

/**
 * What the NVIDIA driver, CUDA and cuDNN look like, and whether the installed native library wants them.
 * @param usesCuda whether the engine `compiled:cuda` works
 */
export async function probeGpu(machine: Machine, usesCuda = false): Promise<Finding[]> {
  const installed = build(machine);
  const gpus = await listGpus(machine);
  const gpu = gpuFinding(gpus, installed, usesCuda);
  if (installed?.device !== 'gpu' && gpus.length === 0) return [gpu];
  const libraries = await foundLibraries(machine, installed);
  const lacking = CUDA_LIBRARIES.filter((name) => !libraries.has(name));
  const subject = 'CUDA and cuDNN';
  const found = [...libraries.values()].map((path) => path.slice(path.lastIndexOf('/') + 1)).join(', ') || 'none';
  if (lacking.length === 0) return [gpu, { topic: GPU, subject, mark: 'good', found }];
  const advice = `without ${lacking.join(', ')} TensorFlow uses no GPU; ${spell('tensorflow:install --gpu')} puts them beside it`;
  return [gpu, { topic: GPU, subject, mark: installed?.device === 'gpu' ? 'warning' : 'absent', found, advice }];
}

const ENGINES = 'Engines';
const SUBJECT = 'Files of native TensorFlow';

/**
 * Checks the installed build against its record: sizes and the addon's hash always, every hash when asked (some
 * seconds for each gigabyte).
 */
export async function probeNativeFiles(machine: Machine, everyHash: boolean): Promise<Finding[]> {
  const advice = `run ${spell('tensorflow:install')} again`;
  try {
    const build = readInstalledBuild(nativeFolder(machine.environment, machine.home));
    if (build === undefined) return [];
    assertBuildIntact(build, machine.platform);
    for (const file of everyHash ? build.files : []) {
      const received = await machine.sha256(join(build.folder, file.path));
      if (received === file.sha256) continue;
      const found = `${file.path} has SHA-256 ${received} instead of ${file.sha256}`;
      return [{ topic: ENGINES, subject: SUBJECT, mark: 'warning', found, advice }];
    }
    const origin =
      build.wheel === null ? build.binding : `${build.wheel.name}${build.wheel.known ? '' : ', an untried wheel'}`;
    const checked = everyHash ? 'every hash as recorded' : 'as recorded';
    return [{ topic: ENGINES, subject: SUBJECT, mark: 'good', found: `${checked} (${origin})` }];
  } catch (error) {
    return [{ topic: ENGINES, subject: SUBJECT, mark: 'warning', found: (error as Error).message, advice }];
  }
}
