import type { CommandResult, RunCommand } from '@drf/terminal';
import type { Machine } from '../machine.js';

export const output = (stdout: string): CommandResult => ({ code: 0, stdout, stderr: '', missing: false });
export const MISSING: CommandResult = { code: null, stdout: '', stderr: '', missing: true };

/** Programs by name; all others do not exist. */
export const programs =
  (answers: { readonly [command: string]: CommandResult }): RunCommand =>
  async (command) =>
    answers[command] ?? MISSING;

/** Text files by path; all others cannot be read. */
export const files =
  (contents: { readonly [path: string]: string }): Machine['readText'] =>
  async (path) =>
    contents[path];

/** A roomy machine without a GPU, on which everything works. */
export function fakeMachine(changes: Partial<Machine> = {}): Machine {
  return {
    environment: {
      npm_config_user_agent: 'pnpm/10.34.8 npm/? node/v22.1.0 linux x64',
      DRF_TENSORFLOW_FOLDER: '/absent',
    },
    nodeVersion: '22.1.0',
    platform: 'linux-x64',
    cores: 8,
    totalMemory: 32e9,
    freeMemory: 16e9,
    home: '/home/me',
    workingFolder: '/project',
    run: programs({ python3: output('2.8.0\n') }),
    readText: files({}),
    freeBytes: async () => 100e9,
    folderBytes: async () => ({ bytes: 1.5e9, more: false }),
    findProgram: async ([name]) => `/usr/bin/${name}`,
    head: async () => 200,
    hubEndpoint: async () => 'https://hub.example',
    loadPackage: async () => '1.2.3',
    mpiLibrary: async () => ({ version: 'Open MPI v4.1.4', path: 'libmpi.so.40' }),
    measureEngine: async () => ({ gflops: 50 }),
    providers: () => ['cpu'],
    chosenProvider: async () => 'cpu',
    sha256: async () => '0'.repeat(64),
    ...changes,
  };
}
