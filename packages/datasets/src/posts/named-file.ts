import { realpath } from 'node:fs/promises';
import { basename, dirname } from 'node:path';
import type { StoredFile } from '@drf/files';
import { isObjectLocation, openStorage } from '@drf/storage';
import { DataError } from '@drf/tensor';

/**
 * Opens a file that a person names, by its path (links are followed) or as `s3://bucket/key`. Messages name it as it was
 * named.
 * @throws DataError when nothing is there, or no file
 */
export async function openNamedFile(location: string): Promise<StoredFile> {
  const [folder, name] = isObjectLocation(location) ? splitObject(location) : await splitPath(location);
  const file = await (await openStorage(folder)).open(name);
  return renamed(file, basename(location), location);
}

/** The same file under other names in messages. */
export function renamed(file: StoredFile, path: string, name = file.name): StoredFile {
  const { bytes, version } = file;
  return {
    path,
    name,
    bytes,
    version,
    read: (start, end) => file.read(start, end),
    stream: (start, end) => file.stream(start, end),
  };
}

/** A location in object storage as what `openStorage` opens, and the rest. */
export function splitObject(location: string): readonly [prefix: string, name: string] {
  const slash = location.lastIndexOf('/');
  return [location.slice(0, slash), location.slice(slash + 1)];
}

async function splitPath(path: string): Promise<readonly [folder: string, name: string]> {
  const real = await realpath(path).catch((cause: NodeJS.ErrnoException) => {
    const report = { subject: `Opening ${path}`, expected: 'a file of posts', received: cause.code ?? cause.message };
    throw new DataError({ ...report, remedy: 'check the path' }, { cause });
  });
  return [dirname(real), basename(real)];
}
