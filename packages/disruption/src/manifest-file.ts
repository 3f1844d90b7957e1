import { readBounded, writeFileAtomic } from '@drf/files';
import { formatManifest, type Manifest, type ManifestHeader, parseManifest } from './manifest.js';
import type { DisruptionEntry } from './plan.js';

const MAXIMUM_BYTES = 256 * 1024 * 1024; // 195,265 posts need about 28 MB

/**
 * {@link formatManifest} into a file, whole or not at all.
 * @throws ConfigurationError for a strategy out of range; DataError for an entry that does not fit the strategy, a post
 * twice, or a file that cannot be written
 */
export async function writeManifest(
  path: string,
  header: ManifestHeader,
  entries: readonly DisruptionEntry[],
): Promise<void> {
  await writeFileAtomic(path, formatManifest(path, header, entries));
}

/**
 * {@link parseManifest} of a file of at most 256 MiB.
 * @throws DataError for a file that cannot be read, and naming the line of a bad row; CheckpointError for a file that is
 * foreign, of another version or cut short
 */
export async function readManifest(path: string): Promise<Manifest> {
  return parseManifest(path, (await readBounded(path, MAXIMUM_BYTES)).toString('utf8'));
}
