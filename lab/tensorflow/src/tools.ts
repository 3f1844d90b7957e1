import { statfs } from 'node:fs/promises';
import {
  NATIVE_FOLDER_VARIABLE,
  NATIVE_PROBE,
  readNativeProbe,
  type BindingPackage,
  type NativeMeasurement,
} from '@drf/engine';
import { DataError, DrfError, UnavailableError } from '@drf/tensor';
import { lastLines, type RunCommand } from '@drf/terminal';

/** Everything through which an installation touches the machine; tests put in their own. */
export interface Tools {
  readonly run: RunCommand;
  readonly get: typeof fetch;
  readonly free: FreeBytes;
  readonly findBinding: () => BindingPackage | undefined;
  /** Runs the engine in another process on the build that is current in a folder. */
  readonly check: (folder: string) => Promise<NativeMeasurement>;
  readonly platformName: string;
  readonly signal?: AbortSignal;
  /** No progress. */
  readonly silent: boolean;
  /** Tells the user what is being done. */
  readonly say: (line: string) => void;
  /** Passes on what a program prints. */
  readonly relay?: (text: string) => void;
}

/** What a failed write means for the user. */
export function diskError(path: string, error: unknown): DrfError {
  if (error instanceof DrfError) return error;
  const { code = 'unknown', message } = error as NodeJS.ErrnoException;
  return new DataError(
    {
      subject: `Writing ${path}`,
      expected: 'a folder with room and permission',
      received: `${code}: ${message}`,
      remedy:
        code === 'ENOSPC' || code === 'EDQUOT'
          ? 'free some disk space, or name a folder on another disk by --folder'
          : 'check its permissions, or name another folder by --folder',
    },
    { cause: error },
  );
}

export type FreeBytes = (folder: string) => Promise<number>;

export const freeBytes: FreeBytes = async (folder) => {
  const { bavail, bsize } = await statfs(folder);
  return bavail * bsize;
};

export const gigabytes = (bytes: number): string => `${(bytes / 1e9).toFixed(1)} GB`;

/** @throws DataError when the disk of a folder has less room than is needed */
export async function assertRoom(folder: string, needed: number, free: FreeBytes = freeBytes): Promise<void> {
  const available = await free(folder);
  if (available >= needed) return;
  throw new DataError({
    subject: `The disk of ${folder}`,
    expected: `${gigabytes(needed)} free`,
    received: gigabytes(available),
    remedy: 'free some disk space, or name a folder on another disk by --folder',
  });
}

/**
 * Computes on the build that is current in a folder, in another process: a library that does not fit the machine may
 * end the process.
 * @throws UnavailableError with what the process said
 */
export async function checkBuild(run: RunCommand, folder: string, signal?: AbortSignal): Promise<NativeMeasurement> {
  const result = await run(process.execPath, NATIVE_PROBE, {
    environment: { ...process.env, [NATIVE_FOLDER_VARIABLE]: folder },
    signal,
    timeoutMilliseconds: 5 * 60_000,
  });
  signal?.throwIfAborted();
  const measured = readNativeProbe(result);
  if (measured !== undefined) return measured;
  throw new UnavailableError({
    subject: 'The built TensorFlow',
    expected: 'to load and to compute',
    received: lastLines(result.stderr || `the process ended with ${result.code ?? 'a signal'}`, 3),
    remedy: 'it was not put in use; try another version by --from-pypi, or use the engine "compiled"',
  });
}
