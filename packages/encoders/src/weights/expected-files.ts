import { ConfigurationError } from '@drf/tensor';
import { fingerprint, type ModelSource } from '../transformers/source.js';

/** Place of the hash of a model's files among the parts of an encoder's id. */
const HASH_PART = 3;

/**
 * A folder that somebody else named is used only if it holds the files that the encoder's id says: their bytes are
 * hashed, and nothing else is done with them before.
 * @param expectedId id of an encoder of these files, as a run recorded it; undefined: whatever the folder holds
 * @param alternatives lists of files; one of them must have the hash
 * @throws ConfigurationError naming the folder
 */
export async function assertExpectedFiles(
  source: ModelSource,
  expectedId: string | undefined,
  alternatives: readonly (readonly string[])[],
): Promise<void> {
  if (expectedId === undefined || !source.isFolder) return;
  const expected = expectedId.split(':')[HASH_PART];
  for (const files of alternatives) if ((await fingerprint(source, files)) === expected) return;
  throw new ConfigurationError({
    subject: `Model folder ${source.folder}`,
    expected: `the files of the encoder "${expectedId}", with which the run was trained`,
    received: 'a folder with other files, or without them, which is not read',
    remedy: 'put the model back that the run was trained with, or train again',
  });
}
