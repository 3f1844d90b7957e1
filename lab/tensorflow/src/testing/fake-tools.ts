import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { UnavailableError } from '@drf/tensor';
import type { CommandResult, RunCommand } from '@drf/terminal';
import { afterEach, beforeEach } from 'vitest';
import type { Tools } from '../tools.js';

export const succeeded = (stdout = ''): CommandResult => ({ code: 0, stdout, stderr: '', missing: false });
export const failed = (stderr: string): CommandResult => ({ code: 1, stdout: '', stderr, missing: false });
export const MISSING: CommandResult = { code: null, stdout: '', stderr: 'spawn ENOENT', missing: true };

type Answer = CommandResult | ((args: readonly string[]) => CommandResult | Promise<CommandResult>);

/** Programs by name; all others do not exist. The calls are kept. */
export function fakeRun(programs: { readonly [command: string]: Answer }): RunCommand & { readonly calls: string[] } {
  const calls: string[] = [];
  const run: RunCommand = async (command, args) => {
    calls.push([command, ...args].join(' '));
    const answer = programs[command] ?? MISSING;
    return typeof answer === 'function' ? answer(args) : answer;
  };
  return Object.assign(run, { calls });
}

/** A compiler that "compiles": it writes the file that it was told to. */
export const COMPILER: Answer = async (args) => {
  if (args[0] === '--version') return succeeded('c++ (fake) 12.2.0\nmore');
  await writeFile(args[args.indexOf('-o') + 1] as string, 'the addon');
  return succeeded();
};

/** A Python whose pip knows an index. */
export const PYTHON: Answer = (args) => {
  if (args.includes('--version')) return succeeded('pip 25.0 from somewhere (python 3.12)');
  if (args.includes('--help'))
    return succeeded('  -i, --index-url <url>  Base URL (default https://index.example/simple). …');
  return failed('ERROR: No matching distribution found');
};

export const NO_NETWORK: typeof fetch = async () => {
  throw new TypeError('fetch failed', { cause: new Error('getaddrinfo ENOTFOUND index.example') });
};

/** A machine on which everything works, without network; `said` is what the user would read. */
export function fakeTools(changes: Partial<Tools> = {}): Tools & { readonly said: string[] } {
  const said: string[] = [];
  return {
    run: fakeRun({ 'c++': COMPILER, python3: PYTHON }),
    get: NO_NETWORK,
    free: async () => 1e12,
    findBinding: () => {
      throw new UnavailableError({ subject: 'test', expected: 'a binding', received: 'none' });
    },
    check: async () => ({ tensorflow: '2.20.0', gpu: false, gflops: 42 }),
    platformName: 'linux-x64',
    silent: true,
    say: (line) => void said.push(line),
    said,
    ...changes,
  };
}

/** A fresh folder for each test. */
export function useFolder(): () => string {
  let folder = '';
  beforeEach(async () => void (folder = await mkdtemp(join(tmpdir(), 'drf-tensorflow-'))));
  afterEach(() => rm(folder, { recursive: true, force: true }));
  return () => folder;
}
