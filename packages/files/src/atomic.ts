import { mkdir, writeFile as writeWhole } from 'node:fs/promises';
import { dirname } from 'node:path';
import replaceFile from 'write-file-atomic';
import { DataError } from '@drf/tensor';

/**
 * Writes a whole file or nothing: temporary file beside it, flush to disk, rename. Folders are made as needed.
 * @param content at once, or in parts that are written one after the other
 * @throws DataError when the disk is full or the folder cannot be written; the old file then stands as it was.
 */
export async function writeFileAtomic(
  path: string,
  content: string | Uint8Array | Iterable<Uint8Array>,
): Promise<void> {
  try {
    await mkdir(dirname(path), { recursive: true });
    // write-file-atomic's own write is a single call, which a disk that fills up cuts short without an error, and which
    // takes 2 GiB at most; Node's writeFile goes on until all is written or fails.
    // eslint-disable-next-line @typescript-eslint/no-misused-promises -- it awaits, whatever its types say
    await replaceFile(path, '', { tmpfileCreated: (temporary) => writeWhole(temporary, content) });
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? 'unknown';
    throw new DataError(
      {
        subject: `Writing ${path}`,
        expected: 'a folder with room and permission',
        received: `${code}: ${(error as Error).message}`,
        remedy:
          code === 'ENOSPC' ? 'free some disk space; the former file was kept' : 'check the path and its permissions',
      },
      { cause: error },
    );
  }
}

/** {@link writeFileAtomic} of indented JSON with a closing newline. */
export async function writeJsonAtomic(path: string, value: unknown): Promise<void> {
  await writeFileAtomic(path, `${JSON.stringify(value, null, 2)}\n`);
}
