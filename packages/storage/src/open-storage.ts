import { stat } from 'node:fs/promises';
import { basename, dirname, resolve } from 'node:path';
import type { Storage } from '@drf/files';
import { FolderStorage } from './folder-storage.js';
import { isLocalLocation, parseObjectLocation, type ObjectLocation } from './location.js';

/**
 * Opens a folder, which need not exist, or a prefix in object storage, whose client is loaded only then. Credentials and
 * the server are those of the AWS variables and profile; nothing is asked of it yet.
 * @param location a folder, or `s3://bucket/prefix`
 * @throws ConfigurationError for a location that names no bucket, or is of another scheme
 */
export async function openStorage(location: string): Promise<Storage> {
  return isLocalLocation(location) ? new FolderStorage(resolve(location)) : openObjects(parseObjectLocation(location));
}

/** A place in a storage: a file, or with an empty path the whole storage. */
export interface OpenedLocation {
  readonly storage: Storage;
  /** Of the file below the storage's root, which is its folder; empty where the location is a folder or prefix. */
  readonly path: string;
}

/**
 * Opens a location that may be a file or a folder, by looking: what is no file is taken for a folder or prefix, whether or
 * not something is there.
 *
 * ```ts
 * await openLocation('s3://bucket/posts/1.csv'); // storage s3://bucket/posts, path 1.csv
 * await openLocation('s3://bucket/posts'); // storage s3://bucket/posts, path ''
 * ```
 * @throws as {@link openStorage}, and UnavailableError when object storage does not answer
 */
export async function openLocation(location: string): Promise<OpenedLocation> {
  if (isLocalLocation(location)) {
    const path = resolve(location);
    const isFile = await stat(path).then(
      (stats) => stats.isFile(),
      () => false,
    );
    if (isFile) return { storage: new FolderStorage(dirname(path)), path: basename(path) };
    return { storage: new FolderStorage(path), path: '' };
  }
  const { bucket, key } = parseObjectLocation(location);
  if (key !== '' && !location.endsWith('/')) {
    const at = key.lastIndexOf('/');
    const storage = await openObjects({ bucket, key: key.slice(0, Math.max(0, at)) });
    const path = key.slice(at + 1);
    if ((await storage.find(path)) !== undefined) return { storage, path };
  }
  return { storage: await openObjects({ bucket, key }), path: '' };
}

/**
 * Aborts multipart uploads that writers which were killed left: no listing shows their parts, but they are paid for. Only
 * those of objects that are there, so that no first writing of one is hurt; a writer that replaces one fails. Where the
 * server refuses such requests, nothing is done. Folders have no uploads.
 * @param path of a file, or of a folder with all that is in it; default: all of the storage
 * @returns how many were aborted
 * @throws UnavailableError when object storage does not answer
 */
export async function abortUploads(storage: Storage, path = ''): Promise<number> {
  if (storage.folder !== null) return 0;
  const { S3Storage } = await import('./s3-storage.js');
  return storage instanceof S3Storage ? storage.abortUploads(path) : 0;
}

async function openObjects(location: ObjectLocation): Promise<Storage> {
  const [{ S3Storage }, { connect }] = await Promise.all([import('./s3-storage.js'), import('./s3-client.js')]);
  return new S3Storage(await connect(), location);
}
