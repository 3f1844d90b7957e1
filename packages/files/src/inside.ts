import { lstat, readdir, realpath } from 'node:fs/promises';
import { basename, dirname, isAbsolute, join, relative, resolve, sep } from 'node:path';
import { DataError } from '@drf/tensor';

/** Of a path that came with data; Linux takes no longer ones. */
export const LONGEST_PATH = 4096;

/**
 * Resolves a path that came with the data (a CSV's image column) inside the folder that the user named. Links are
 * followed first, so a link cannot lead out either.
 * @returns the absolute path; the file itself need not exist
 * @throws DataError when the path leads outside the folder, holds a NUL byte, goes through a broken link, or is longer
 *   than {@link LONGEST_PATH}.
 */
export async function resolveInside(root: string, path: string): Promise<string> {
  if (path.length > LONGEST_PATH) throw tooLong(path);
  if (path.includes('\0')) throw escape(root, path);
  const namedRoot = resolve(root);
  const realRoot = await realpath(namedRoot).catch(() => namedRoot);
  const candidate = resolve(namedRoot, path);
  if (!isInside(namedRoot, candidate) && !isInside(realRoot, candidate)) throw escape(root, path);
  const real = await followLinks(candidate);
  if (real === undefined || !isInside(realRoot, real)) throw escape(root, path);
  return real;
}

/**
 * Looks through a folder that came from elsewhere, such as a run that was downloaded, before it is read and written.
 * @throws DataError naming the first link in it that leads out of it, or nowhere
 */
export async function assertLinksStayInside(folder: string): Promise<void> {
  const root = await realpath(folder);
  const walk = async (below: string): Promise<void> => {
    for (const entry of await readdir(below, { withFileTypes: true })) {
      const path = join(below, entry.name);
      if (entry.isDirectory()) await walk(path);
      if (!entry.isSymbolicLink()) continue;
      const target = await realpath(path).catch(() => undefined);
      if (target === undefined || !isInside(root, target)) throw leadsOut(root, path, target);
    }
  };
  await walk(root);
}

function leadsOut(root: string, path: string, target: string | undefined): DataError {
  return new DataError({
    subject: `Folder ${root}`,
    expected: 'links that stay inside it',
    received: `${relative(root, path)}, which leads ${target === undefined ? 'nowhere' : `to ${target}`}`,
    remedy: 'remove the link, or put what it leads to in its place',
  });
}

/** The real place of a path whose last parts need not exist; nothing for a link that leads nowhere. */
async function followLinks(path: string): Promise<string | undefined> {
  const real = await realpath(path).catch(() => undefined);
  if (real !== undefined) return real;
  const isBrokenLink = await lstat(path).then(
    (stats) => stats.isSymbolicLink(),
    () => false,
  );
  if (isBrokenLink) return undefined;
  const folder = dirname(path) === path ? path : await followLinks(dirname(path));
  return folder === undefined ? undefined : join(folder, basename(path));
}

function isInside(root: string, candidate: string): boolean {
  const way = relative(root, candidate);
  return way !== '..' && !way.startsWith(`..${sep}`) && !isAbsolute(way);
}

function tooLong(path: string): DataError {
  return new DataError({
    subject: `Path ${JSON.stringify(`${path.slice(0, 60)}…`)}`,
    expected: `at most ${LONGEST_PATH} characters`,
    received: String(path.length),
    remedy: 'give the path of a file',
  });
}

function escape(root: string, path: string): DataError {
  return new DataError({
    subject: `Path ${JSON.stringify(path)}`,
    expected: `a path inside ${root}`,
    received: 'one that leads outside',
    remedy: 'name a file below that folder, or choose another root',
  });
}
