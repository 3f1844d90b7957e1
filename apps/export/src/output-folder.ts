import { constants } from 'node:fs';
import { access, mkdir, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { writeFileAtomic } from '@drf/files';
import { ConfigurationError, DataError } from '@drf/tensor';

export const CARD_FILE = 'card.json';
/** Everything that an export may consist of. */
const KNOWN_FILES = [CARD_FILE, 'head.onnx', 'model.onnx', 'vocabulary.json', 'licenses.txt'];

/**
 * Makes the folder, or checks that it may be written to.
 * @throws ConfigurationError when it holds an export and `overwrite` is off, or holds anything else, which is never
 *   deleted; DataError when it cannot be made or written
 */
export async function prepareOutput(path: string, overwrite: boolean): Promise<void> {
  const present = await entries(path);
  const foreign = present.filter((name) => !KNOWN_FILES.includes(name));
  if (foreign.length > 0 || (present.length > 0 && !overwrite)) {
    throw new ConfigurationError({
      subject: `Output folder ${path}`,
      expected: 'a new or empty folder',
      received: foreign.length > 0 ? `other files (${foreign.slice(0, 3).join(', ')})` : 'an export',
      remedy: foreign.length > 0 ? 'choose another --out' : 'use --overwrite to replace it, or choose another --out',
    });
  }
}

async function entries(path: string): Promise<string[]> {
  try {
    await mkdir(path, { recursive: true });
    await access(path, constants.W_OK);
    return await readdir(path);
  } catch (error) {
    throw new DataError(
      {
        subject: `Output folder ${path}`,
        expected: 'a folder that can be made and written',
        received: (error as NodeJS.ErrnoException).code ?? (error as Error).message,
        remedy: 'choose another --out, or check its permissions',
      },
      { cause: error },
    );
  }
}

/**
 * Replaces a folder's export. The card goes first and comes last, so that a folder with a card is whole.
 * @param files contents by name, without the card
 */
export async function writeOutput(
  path: string,
  files: ReadonlyMap<string, string | Uint8Array>,
  card: object,
): Promise<void> {
  await rm(join(path, CARD_FILE), { force: true });
  for (const name of KNOWN_FILES) if (!files.has(name)) await rm(join(path, name), { force: true });
  for (const [name, content] of files) await writeFileAtomic(join(path, name), content);
  await writeFileAtomic(join(path, CARD_FILE), `${JSON.stringify(card, null, 2)}\n`);
}
