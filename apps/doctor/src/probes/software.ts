import { spell } from '@drf/terminal';
import type { Machine } from '../machine.js';
import type { Finding } from '../report.js';

const LIBRARIES = 'Libraries';

const firstLine = (error: unknown): string =>
  (error instanceof Error ? error.message : String(error)).split('\n')[0] as string;

async function libraryFinding(
  machine: Machine,
  name: string,
  whenMissing: 'problem' | 'warning',
  purpose: string,
): Promise<Finding> {
  try {
    return { topic: LIBRARIES, subject: name, mark: 'good', found: await machine.loadPackage(name) };
  } catch (error) {
    const advice = `${purpose}; run "${spell('install')}" on this machine, so that the parts for ${machine.platform} are there`;
    return { topic: LIBRARIES, subject: name, mark: whenMissing, found: `does not load: ${firstLine(error)}`, advice };
  }
}

/** Packages with native parts, which may be missing for a platform or copied from another one. */
export async function probeLibraries(machine: Machine): Promise<Finding[]> {
  return [
    await libraryFinding(machine, 'sharp', 'problem', 'images cannot be decoded without it'),
    await libraryFinding(machine, 'onnxruntime-node', 'warning', 'the engine "compiled" needs it'),
  ];
}

const DEVELOPMENT = 'For development';

async function browserFinding(machine: Machine): Promise<Finding> {
  const subject = 'Chromium';
  const path = await machine.findProgram(['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable']);
  if (path !== undefined) return { topic: DEVELOPMENT, subject, mark: 'good', found: path };
  const advice = 'browser tests skip without it ("apt-get install chromium")';
  return { topic: DEVELOPMENT, subject, mark: 'absent', found: 'not on the path', advice };
}

/** Asks for PyTorch's version without importing it, which takes seconds. */
const TORCH_VERSION = 'import importlib.metadata as m; print(m.version("torch"))';

async function torchFinding(machine: Machine): Promise<Finding> {
  const subject = 'Python with PyTorch';
  for (const python of ['python3', '/usr/bin/python3']) {
    const { code, stdout } = await machine.run(python, ['-c', TORCH_VERSION], { timeoutMilliseconds: 8000 });
    if (code === 0) return { topic: DEVELOPMENT, subject, mark: 'good', found: `${stdout.trim()} (${python})` };
  }
  const advice = `${spell('bench compare')} needs it ("pip install torch")`;
  return { topic: DEVELOPMENT, subject, mark: 'absent', found: 'none', advice };
}

async function compilerFinding(machine: Machine): Promise<Finding> {
  const subject = 'C++ compiler';
  const path = await machine.findProgram([machine.environment['CXX'] ?? 'c++', 'g++', 'clang++']);
  if (path !== undefined) return { topic: DEVELOPMENT, subject, mark: 'good', found: path };
  const advice = `${spell('tensorflow:install')} needs one ("apt-get install g++")`;
  return { topic: DEVELOPMENT, subject, mark: 'absent', found: 'not on the path', advice };
}

/** What only some commands need. */
export async function probeOptional(machine: Machine): Promise<Finding[]> {
  return Promise.all([compilerFinding(machine), browserFinding(machine), torchFinding(machine)]);
}
