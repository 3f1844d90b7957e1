import { realpath, stat } from 'node:fs/promises';
import { isAbsolute, join, relative, resolve, sep } from 'node:path';
import { z } from 'zod';
import { DataError, refuser } from '@drf/tensor';
import { writeJsonAtomic } from './atomic.js';
import { resolveInside } from './inside.js';
import { parseOptions } from './options.js';
import { readJson } from './read.js';

/** The file that makes a folder an ensemble. */
export const ENSEMBLE_FILE = 'ensemble.json';
const FORMAT = 'drf-ensemble/1';
const MOST_MEMBERS = 1000;
const LARGEST_FILE = 1024 * 1024;

const ensembleSchema = z.strictObject({
  format: z.literal(FORMAT),
  /** All count the same. */
  members: z
    .array(
      z.strictObject({
        path: z.string().min(1),
        sha256: z.string().regex(/^[0-9a-f]{64}$/, 'a SHA-256 in hexadecimal'),
      }),
    )
    .min(1)
    .max(MOST_MEMBERS),
});

/** One of the folders that judge together: a trained run, or one that was exported. */
export interface EnsembleMember {
  /** Absolute; below the ensemble's folder. */
  readonly folder: string;
  /** SHA-256 of the file of its weights: a run's checkpoint, an export's model. */
  readonly sha256: string;
}

/**
 * Makes a folder an ensemble, by an `ensemble.json` that names its members.
 * @param members below the folder, in the order in which they are listed
 * @throws DataError for a member that lies elsewhere
 */
export async function writeEnsemble(folder: string, members: readonly EnsembleMember[]): Promise<string> {
  const listed = members.map(({ folder: member, sha256 }) => {
    const path = relative(resolve(folder), resolve(member));
    if (path !== '' && path !== '..' && !path.startsWith(`..${sep}`) && !isAbsolute(path)) {
      return { path: path.split(sep).join('/'), sha256 };
    }
    throw refuser(DataError, `Ensemble ${folder}`)('members below it', member, 'put it there');
  });
  const path = join(folder, ENSEMBLE_FILE);
  await writeJsonAtomic(path, { format: FORMAT, members: listed });
  return path;
}

/**
 * The members of an ensemble's folder; nothing for a folder that is none.
 * @throws DataError for a damaged `ensemble.json`, and for a member that is listed twice, or does not lie below the folder
 */
export async function readEnsemble(folder: string): Promise<readonly EnsembleMember[] | undefined> {
  const path = join(folder, ENSEMBLE_FILE);
  const isEnsemble = await stat(path).then(() => true, () => false); // prettier-ignore
  if (!isEnsemble) return undefined;
  const { members } = parseOptions(ensembleSchema, await readJson(path, LARGEST_FILE), path);
  const real = await realpath(folder);
  const listed = await Promise.all(
    members.map(async ({ path: own, sha256 }) => ({ folder: await resolveInside(folder, own), sha256 })),
  );
  const refuse = refuser(DataError, `Ensemble ${folder}`);
  for (const [i, { folder: member }] of listed.entries()) {
    const name = JSON.stringify(members[i]?.path);
    if (member === real)
      throw refuse('members below it', `${name}, which is the folder itself`, 'correct ensemble.json');
    if (listed.findIndex((other) => other.folder === member) === i) continue;
    throw refuse('each member once, since all count the same', `${name} again`, 'remove one of its entries');
  }
  return listed;
}

/**
 * Folders with each ensemble among them replaced by its members, which count the same as folders that are named alone.
 * @throws as {@link readEnsemble}
 */
export async function withMembers(
  folders: readonly string[],
): Promise<readonly { readonly folder: string; readonly sha256?: string }[]> {
  const all = await Promise.all(folders.map(async (folder) => (await readEnsemble(folder)) ?? [{ folder }]));
  return all.flat();
}
