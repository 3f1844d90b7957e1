import { extname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { NATIVE_FOLDER_VARIABLE } from '@drf/engine';
import { UnavailableError } from '@drf/tensor';
import { lastLines, type RunCommand } from '@drf/terminal';
import type { Checked } from './tools.js';

/** The check runs from source or built, as this program does. */
const PROGRAM = fileURLToPath(new URL(`./check-main${extname(import.meta.url)}`, import.meta.url));

/**
 * Computes on the build that is current in a folder, in another process: a library that does not fit the machine may
 * end the process.
 * @throws UnavailableError with what the process said
 */
export async function checkBuild(run: RunCommand, folder: string, signal?: AbortSignal): Promise<Checked> {
  const result = await run(process.execPath, [...process.execArgv, PROGRAM], {
    environment: { ...process.env, [NATIVE_FOLDER_VARIABLE]: folder },
    signal,
    timeoutMilliseconds: 5 * 60_000,
  });
  signal?.throwIfAborted();
  const line = /^\{"tensorflow".*\}$/m.exec(result.stdout)?.[0];
  if (result.code === 0 && line !== undefined) return JSON.parse(line) as Checked;
  throw new UnavailableError({
    subject: 'The built TensorFlow',
    expected: 'to load and to compute',
    received: lastLines(result.stderr || `the process ended with ${result.code ?? 'a signal'}`, 3),
    remedy: 'it was not put in use; try another version by --from-pypi, or use the engine "compiled"',
  });
}
