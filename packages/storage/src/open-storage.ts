import { resolve } from 'node:path';
import type { Storage } from '@drf/files';
import { FolderStorage } from './folder-storage.js';

/** Whether a location names object storage (`s3://bucket/prefix`) rather than a folder or file. */
export function isObjectLocation(location: string): boolean {
  return location.startsWith('s3://');
}

/**
 * Opens a folder, which need not exist, or a prefix in object storage, whose client is loaded only then.
 * @throws ConfigurationError for a location that names no bucket; UnavailableError without credentials
 */
export async function openStorage(location: string): Promise<Storage> {
  if (!isObjectLocation(location)) return new FolderStorage(resolve(location));
  throw new Error('not built yet');
}
