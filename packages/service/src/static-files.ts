import { readdir, stat } from 'node:fs/promises';
import { join, relative, resolve, sep } from 'node:path';
import fastifyStatic from '@fastify/static';
import type { FastifyInstance } from 'fastify';
import { resolveInside } from '@drf/files';
import { ConfigurationError, DataError, refuser } from '@drf/tensor';

/** More files than any page or export has; a mistaken folder (`/`) is not walked to its end. */
const MAXIMUM_FILES = 10_000;

/**
 * The files of a folder, as they stood when the service started: only these are ever read. What leads outside by a link
 * is no file of it, nor is what starts with a dot.
 * @returns paths relative to the folder, with `/`, sorted
 * @throws ConfigurationError when there is no such folder, or it holds too many files
 */
export async function listFiles(folder: string, subject: string): Promise<readonly string[]> {
  const root = resolve(folder);
  const isFolder = await stat(root).then((stats) => stats.isDirectory(), () => false); // prettier-ignore
  if (!isFolder) throw refused(subject, 'a folder of files', `${folder}, which is none`);
  const files: string[] = [];
  await walk(root);
  return files.sort();

  async function walk(at: string): Promise<void> {
    for (const { name } of await readdir(at, { withFileTypes: true })) {
      if (name.startsWith('.')) continue;
      const path = join(at, name);
      const stats = await insideStats(path);
      if (stats === undefined) continue;
      if (stats.isDirectory()) await walk(path);
      else if (stats.isFile()) files.push(relative(root, path).split(sep).join('/'));
      if (files.length > MAXIMUM_FILES) throw refused(subject, `at most ${MAXIMUM_FILES} files`, `more below ${folder}`); // prettier-ignore
    }
  }

  /** Of what a name leads to; nothing when that is outside, above (a link into a circle), or not there. */
  async function insideStats(path: string) {
    try {
      const real = await resolveInside(root, path);
      return path.startsWith(real + sep) ? undefined : await stat(real);
    } catch (error) {
      if (error instanceof DataError || (error as NodeJS.ErrnoException).code !== undefined) return undefined;
      throw error;
    }
  }
}

interface StaticOptions {
  readonly folder: string;
  /** Of {@link listFiles}. */
  readonly files: readonly string[];
  /** Where it appears, with slashes at both ends. */
  readonly prefix: string;
}

/** Serves the listed files of a folder, with ETags, ranges, and compressed twins (`.br`, `.gz`) where they stand beside. */
export async function serveFiles(app: FastifyInstance, { folder, files, prefix }: StaticOptions): Promise<void> {
  const known = new Set(files.map((file) => `/${file}`));
  await app.register(fastifyStatic, {
    root: resolve(folder),
    prefix,
    decorateReply: false,
    index: ['index.html'], // a list: to requests that accept compression, a single name is none
    redirect: false,
    dotfiles: 'deny',
    cacheControl: false,
    preCompressed: true,
    allowedPath: (path) => known.has(path) || (path.endsWith('/') && known.has(`${path}index.html`)),
    setHeaders: (reply, path) => void reply.header('cache-control', cachingOf(path)),
  });
}

/** Files whose name holds a hash of their content (`assets/index-Bz3k9fQx.js`) never change; others are asked for anew. */
function cachingOf(path: string): string {
  return /[\\/]assets[\\/][^\\/]*-[\w-]{8,}\.\w+$/.test(path) ? 'public, max-age=31536000, immutable' : 'no-cache';
}

function refused(subject: string, expected: string, received: string): ConfigurationError {
  return refuser(ConfigurationError, subject)(expected, received, 'name another folder');
}
