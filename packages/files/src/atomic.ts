import { lstat, mkdir, readdir, rm, stat, writeFile as writeWhole } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import replaceFile from 'write-file-atomic';
import { DataError, DrfError } from '@drf/tensor';

/**
 * Writes a whole file or nothing: temporary file beside it, flush to disk, rename. Folders are made as needed. A link at
 * the path is replaced; what it leads to stays as it is.
 * @param content at once, or in parts that are written one after the other
 * @throws DataError when the disk is full, the folder cannot be written, or something else than a file is there; the old
 *   file then stands as it was.
 */
export async function writeFileAtomic(
  path: string,
  content: string | Uint8Array | Iterable<Uint8Array> | AsyncIterable<Uint8Array>,
): Promise<void> {
  try {
    await mkdir(dirname(path), { recursive: true });
    await removeLink(path);
    // write-file-atomic's own write is a single call, which a disk that fills up cuts short without an error, and which
    // takes 2 GiB at most; Node's writeFile goes on until all is written or fails.
    // eslint-disable-next-line @typescript-eslint/no-misused-promises -- it awaits, whatever its types say
    await replaceFile(path, '', { tmpfileCreated: (temporary) => writeWhole(temporary, content) });
  } catch (error) {
    if (error instanceof DrfError) throw error; // of what makes the parts
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

/** write-file-atomic follows links, so that a folder of somebody else's could name any file of ours to be written. */
async function removeLink(path: string): Promise<void> {
  const found = await lstat(path).catch(() => undefined);
  if (found?.isSymbolicLink() !== true) return;
  const target = await stat(path).catch(() => undefined);
  if (target !== undefined && !target.isFile()) {
    throw Object.assign(new Error('the link leads to a folder or device'), { code: 'EEXIST' }); // such as /dev/stdout
  }
  await rm(path);
}

/** What {@link writeFileAtomic} leaves when it is killed: the file's name and a number. */
const TEMPORARY = /^(.+)\.\d{1,10}$/;

/**
 * Removes what writes that were killed left in a folder. Call it only where no other process writes there.
 * @param isOurs whether a file of that name is written into that folder
 */
export async function removeTemporaries(folder: string, isOurs: (name: string) => boolean): Promise<void> {
  for (const entry of await readdir(folder).catch(() => [] as string[])) {
    const name = TEMPORARY.exec(entry)?.[1];
    if (name !== undefined && isOurs(name)) await rm(join(folder, entry), { force: true });
  }
}
