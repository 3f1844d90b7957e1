import { statfs } from 'node:fs/promises';
import { DataError, DrfError } from '@drf/tensor';

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
