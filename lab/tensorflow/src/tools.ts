import { statfs } from 'node:fs/promises';
import type { BindingPackage } from '@drf/engine';
import { DataError, DrfError } from '@drf/tensor';
import type { RunCommand } from '@drf/terminal';

/** What a check of a build found: the engine computed on it. */
export interface Checked {
  /** TensorFlow's own version. */
  readonly tensorflow: string;
  readonly gpu: boolean;
  readonly gflops: number;
}

/** Everything through which an installation touches the machine; tests put in their own. */
export interface Tools {
  readonly run: RunCommand;
  readonly get: typeof fetch;
  readonly free: FreeBytes;
  readonly findBinding: () => BindingPackage | undefined;
  /** Runs the engine in another process on the build that is current in a folder. */
  readonly check: (folder: string) => Promise<Checked>;
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
