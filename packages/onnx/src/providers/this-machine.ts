import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { installedProviders, libraryFolder, runtimeFolder } from '../runtime.js';
import type { ProviderMachine } from './machine.js';
import { computeTrial } from './trial.js';

/** By `ldd`, which reads a library without running it; nothing where there is none. */
function unresolved(library: string): Promise<readonly string[]> {
  return new Promise((resolve) => {
    execFile('ldd', [library], { timeout: 10_000 }, (_error, stdout) =>
      resolve([...stdout.matchAll(/^\s*(\S+) => not found$/gm)].map(([, name]) => name as string)),
    );
  });
}

/** The real machine. */
export const THIS_MACHINE: ProviderMachine = {
  platform: `${process.platform}-${process.arch}`,
  installed: installedProviders,
  exists: existsSync,
  package: runtimeFolder,
  libraries: libraryFolder,
  compute: computeTrial,
  unresolved,
};
