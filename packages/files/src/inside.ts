import { realpath } from 'node:fs/promises';
import { isAbsolute, relative, resolve, sep } from 'node:path';
import { DataError } from '@drf/tensor';

/**
 * Resolves a path that came with the data (a CSV's image column) inside the folder that the user named. Links are
 * followed first, so a link cannot lead out either.
 * @returns the absolute path; the file itself need not exist
 * @throws DataError when the path leads outside the folder or holds a NUL byte.
 */
export async function resolveInside(root: string, path: string): Promise<string> {
  if (path.includes('\0')) throw escape(root, path);
  const absoluteRoot = await realpath(root).catch(() => resolve(root));
  const candidate = resolve(absoluteRoot, path);
  if (!isInside(absoluteRoot, candidate)) throw escape(root, path);
  const real = await realpath(candidate).catch(() => candidate);
  if (!isInside(absoluteRoot, real)) throw escape(root, path);
  return real;
}

function isInside(root: string, candidate: string): boolean {
  const way = relative(root, candidate);
  return way !== '..' && !way.startsWith(`..${sep}`) && !isAbsolute(way);
}

function escape(root: string, path: string): DataError {
  return new DataError({
    subject: `Path ${JSON.stringify(path)}`,
    expected: `a path inside ${root}`,
    received: 'one that leads outside',
    remedy: 'name a file below that folder, or choose another root',
  });
}
