import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { UnavailableError } from '@drf/tensor';
import { lastLines, runCommand } from '@drf/terminal';
import { measureCommand } from './measure-command.js';
import type { Run, Setting } from './turns.js';

export const PEER = fileURLToPath(new URL('../../peer/', import.meta.url));

/** What the peer imports, and what pip calls it. */
const PACKAGES: Readonly<Record<string, string>> = {
  torch: 'torch',
  transformers: 'transformers',
  onnxruntime: 'onnxruntime',
  numpy: 'numpy',
  pillow: 'pillow',
  tokenizers: 'tokenizers',
  safetensors: 'safetensors',
  fastapi: 'fastapi',
  uvicorn: 'uvicorn[standard]',
  uvloop: 'uvicorn[standard]',
  httptools: 'uvicorn[standard]',
};

const VERSIONS = `
import importlib.metadata, json, platform, sys
def version(name):
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None
print(json.dumps({"python": platform.python_version(), **{name: version(name) for name in sys.argv[1:]}}))
`;

/**
 * Versions of Python and of the packages that the peer needs.
 * @throws UnavailableError where there is no such Python, or where it lacks packages, naming them and what installs them
 */
export async function pythonVersions(python: string): Promise<Readonly<Record<string, string>>> {
  const names = Object.keys(PACKAGES);
  const { code, stdout, stderr, missing } = await runCommand(python, ['-c', VERSIONS, ...names]);
  const subject = 'bench pipeline';
  if (code !== 0) {
    const received = missing ? 'no such command' : lastLines(stderr);
    throw new UnavailableError({ subject, expected: `a Python 3.9 or later as ${python}`, received, remedy: 'pass --python' }); // prettier-ignore
  }
  const versions = JSON.parse(stdout) as Readonly<Record<string, string | null>>;
  const lacking = names.filter((name) => versions[name] === null);
  if (lacking.length === 0) return versions as Readonly<Record<string, string>>;
  const wanted = [...new Set(lacking.map((name) => `'${PACKAGES[name]}'`))];
  throw new UnavailableError({
    subject,
    expected: `${names.join(', ')} in ${python}`,
    received: `none of ${lacking.join(', ')}`,
    remedy: `install them: ${python} -m pip install ${wanted.join(' ')}`,
  });
}

/** Variables of the peer's processes. */
export function peerEnvironment({ policy }: Setting): NodeJS.ProcessEnv {
  return { ...process.env, OMP_WAIT_POLICY: String(policy), TOKENIZERS_PARALLELISM: 'true', HF_HUB_OFFLINE: '1' };
}

/** A task of `peer/pipeline.py`, from start to end. @throws UnavailableError with what it printed when it fails */
export function runPeer(
  python: string,
  args: readonly string[],
  setting: Setting,
): Promise<Omit<Run, 'posts'> & { readonly stdout: string }> {
  const words = [join(PEER, 'pipeline.py'), ...args, '--setting', JSON.stringify(setting)];
  return measureCommand(python, words, peerEnvironment(setting));
}

/**
 * Settings of the peer for so many cores. First who does what: PyTorch or ONNX Runtime, all threads in one process beside
 * workers that decode, or a process of one thread for each core. Then the batch, then whether idle threads wait or spin.
 */
export function peerStages(cores: number): {
  readonly setting: Setting;
  readonly stages: readonly ((best: Setting) => readonly Setting[])[];
} {
  const layouts = [
    { processes: 1, threads: cores, workers: cores },
    { processes: 1, threads: cores, workers: 1 },
    { processes: cores, threads: 1, workers: 0 },
  ];
  const rest = { batch: 32, policy: 'PASSIVE' };
  const all = ['onnxruntime', 'torch'].flatMap((backend) => layouts.map((layout) => ({ backend, ...layout, ...rest })));
  return {
    setting: all[0] as Setting,
    stages: [
      () => all,
      (best) => [8, 16, 64].map((batch) => ({ ...best, batch })),
      (best) => [{ ...best, policy: 'ACTIVE' }],
    ],
  };
}
