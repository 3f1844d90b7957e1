import { constants } from 'node:fs';
import { access, mkdir, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { writeFileAtomic } from '@drf/files';
import { MODEL_CARD_FILE } from '@drf/experiment';
import { CARD_FILE } from '@drf/judge/card';
import { ConfigurationError, DataError, refuser } from '@drf/tensor';

/** Everything that an export may consist of. */
const KNOWN_FILES = [
  CARD_FILE,
  'head.onnx',
  'model.onnx',
  'vocabulary.json',
  'licenses.txt',
  MODEL_CARD_FILE,
  'examples',
];

/**
 * Makes the folder, or checks that it may be written to.
 * @throws ConfigurationError when it holds an export and `overwrite` is off, or holds anything else, which is never
 *   deleted; DataError when it cannot be made or written
 */
export async function prepareOutput(
  path: string,
  overwrite: boolean,
  known: readonly string[] = KNOWN_FILES,
): Promise<void> {
  const present = await entries(path);
  const foreign = present.filter((name) => !known.includes(name));
  if (foreign.length > 0 || (present.length > 0 && !overwrite)) {
    throw refuser(ConfigurationError, `Output folder ${path}`)(
      'a new or empty folder',
      foreign.length > 0 ? `other files (${foreign.slice(0, 3).join(', ')})` : 'an export',
      foreign.length > 0 ? 'choose another --out' : 'use --overwrite to replace it, or choose another --out',
    );
  }
}

async function entries(path: string): Promise<string[]> {
  try {
    await mkdir(path, { recursive: true });
    await access(path, constants.W_OK);
    return await readdir(path);
  } catch (error) {
    throw refuser(DataError, `Output folder ${path}`)(
      'a folder that can be made and written',
      (error as NodeJS.ErrnoException).code ?? (error as Error).message,
      'choose another --out, or check its permissions',
      error,
    );
  }
}

/** A file's content, or what makes it when its turn comes. */
type Content = string | Uint8Array | (() => Uint8Array);

/**
 * Replaces a folder's export. One file goes first and comes last, so that a folder with it is whole.
 * @param files contents by path inside the folder
 * @param last the file that goes first and comes last
 * @param known everything that such an export may consist of, at the top of the folder
 */
export async function replaceOutput(
  path: string,
  files: ReadonlyMap<string, Content>,
  last: string,
  known: readonly string[] = KNOWN_FILES,
): Promise<void> {
  await rm(join(path, last), { force: true });
  const kept = new Set([...files.keys()].map((name) => name.split('/')[0]));
  for (const name of known) if (!kept.has(name)) await rm(join(path, name), { force: true, recursive: true });
  const write = async (name: string): Promise<void> => {
    const content = files.get(name) as Content;
    await writeFileAtomic(join(path, name), typeof content === 'function' ? content() : content);
  };
  for (const name of files.keys()) if (name !== last) await write(name);
  await write(last);
}

/**
 * Replaces a folder's export of a run; its card goes first and comes last.
 * @param files contents by name, without the card
 */
export async function writeOutput(
  path: string,
  files: ReadonlyMap<string, string | Uint8Array>,
  card: object,
): Promise<void> {
  await replaceOutput(path, new Map([...files, [CARD_FILE, `${JSON.stringify(card, null, 2)}\n`]]), CARD_FILE);
}
