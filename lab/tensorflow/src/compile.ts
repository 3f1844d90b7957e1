import { readdir } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import type { BindingPackage } from '@drf/engine';
import { DataError, UnavailableError } from '@drf/tensor';
import type { Platform } from './platform.js';
import { lastLines, type RunCommand } from '@drf/terminal';

export interface Compiler {
  readonly command: string;
  /** First line of `--version`. */
  readonly version: string;
}

/** @throws UnavailableError when there is none, with how to get one */
export async function findCompiler(run: RunCommand, environment: NodeJS.ProcessEnv = process.env): Promise<Compiler> {
  const named = environment['CXX'];
  const candidates = named === undefined || named === '' ? ['c++', 'g++', 'clang++'] : [named];
  for (const command of candidates) {
    const { code, stdout } = await run(command, ['--version'], { timeoutMilliseconds: 60_000 });
    if (code === 0) return { command, version: (stdout.split('\n')[0] as string).trim() };
  }
  throw new UnavailableError({
    subject: 'Building the TensorFlow binding',
    expected: 'a C++ compiler',
    received: `no working ${candidates.join(', ')}`,
    remedy: 'install one ("apt-get install g++", "dnf install gcc-c++" or "xcode-select --install"), or name it by CXX',
  });
}

export interface CompileTask {
  readonly binding: BindingPackage;
  readonly platform: Platform;
  /** Holds `tensorflow/` with the libraries and headers; the addon is written beside it. */
  readonly folder: string;
}

/** Name of the compiled addon in a build's folder. */
export const ADDON = 'tfjs_binding.node';

/** Node-API 8: what the binding is written for, in every Node from 12.22 on. */
const NAPI_VERSION = 8;

/**
 * Compiles the binding's two C++ files. The compiler is called directly instead of through node-gyp, which would want
 * Python and fetch Node's headers from elsewhere: Node-API's headers come from npm (`node-api-headers`).
 */
function compilerArguments({ binding, platform, folder }: CompileTask, sources: readonly string[]): string[] {
  const { include_dir: nodeHeaders } = createRequire(import.meta.url)('node-api-headers') as { include_dir: string };
  const library = join(folder, 'tensorflow');
  return [
    ...['-std=c++17', '-O2', '-fPIC', '-shared', '-w', `-DNAPI_VERSION=${NAPI_VERSION}`],
    ...[`-I${nodeHeaders}`, `-I${join(library, 'include')}`],
    ...sources.map((name) => join(binding.folder, 'binding', name)),
    ...['-o', join(folder, ADDON)],
    ...platform.libraries.map((name) => join(library, name)),
    ...platform.linkerFlags,
  ];
}

/** @throws DataError with the compiler's own words when the binding does not compile against these headers */
export async function compileBinding(
  run: RunCommand,
  compiler: Compiler,
  task: CompileTask,
  signal?: AbortSignal,
): Promise<void> {
  const sources = (await readdir(join(task.binding.folder, 'binding'))).filter((name) => name.endsWith('.cc')).sort();
  const result = await run(compiler.command, compilerArguments(task, sources), { signal });
  signal?.throwIfAborted();
  if (result.code === 0) return;
  const errors = result.stderr.split('\n').filter((line) => /error|undefined|cannot find|No space left/i.test(line));
  throw new DataError({
    subject: `Compiling the binding of ${task.binding.name} ${task.binding.version}`,
    expected: `to work with ${compiler.version}`,
    received: lastLines(errors.slice(0, 3).join('\n') || result.stderr),
    remedy: 'try the recommended TensorFlow (no --from-pypi, no --from-wheel) or a newer compiler',
  });
}
