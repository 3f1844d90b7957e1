import { realpath } from 'node:fs/promises';
import { basename } from 'node:path';
import type { StoredFile } from '@drf/files';
import { isObjectLocation, openLocation, type OpenedLocation } from '@drf/storage';
import { DataError, refuser } from '@drf/tensor';

/**
 * Opens a file that a person names, by its path (links are followed) or as `s3://bucket/key`. Messages name it as it was
 * named.
 * @throws DataError when nothing is there, or no file
 */
export async function openNamedFile(location: string): Promise<StoredFile> {
  const { storage, path } = await openNamed(location, 'a file of posts');
  const refuse = refuser(DataError, `Opening ${location}`);
  if (path === '') throw refuse('a file of posts', 'a folder, or nothing', 'name a file');
  return renamed(await storage.open(path), basename(location), location);
}

/** Opens what a person names, which may be a folder or prefix. @throws DataError where nothing is there */
export async function openNamed(location: string, expected = 'a file or folder of posts'): Promise<OpenedLocation> {
  if (isObjectLocation(location)) return openLocation(location);
  const real = await realpath(location).catch((cause: NodeJS.ErrnoException) => {
    const isAbsent = cause.code === 'ENOENT' || cause.code === 'ENOTDIR';
    const received = isAbsent ? 'nothing there' : (cause.code ?? cause.message);
    throw refuser(DataError, `Opening ${location}`)(expected, received, 'check the path', cause);
  });
  return openLocation(real);
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
