import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { contentHash } from '@drf/files';

/** What decides a result beside configuration, data and encoders: the packages between posts and scores, and the trainer. */
const PACKAGES = [
  'tensor',
  'distribution',
  'converters',
  'fusion',
  'disruption',
  'metrics',
  'model',
  'experiment',
  'train-app',
];
/** Parts of those packages that only show results. */
const SHOWS_ONLY = /(^|\/)(report|testing|experiments)\/|\.(test|test-d|contract)\.ts$|(^|\/)(display|main|flags)\.ts$/;

/**
 * Hash of the source that decides results, comments and blank lines aside, so that rewording a comment keeps what was
 * computed.
 */
export async function codeVersion(): Promise<string> {
  const parts: string[] = [];
  for (const name of PACKAGES) {
    const folder = fileURLToPath(new URL('../src/', import.meta.resolve(`@drf/${name}`)));
    const entries = await readdir(folder, { recursive: true, withFileTypes: true });
    const paths = entries
      .filter((entry) => entry.isFile() && entry.name.endsWith('.ts'))
      .map((entry) => join(entry.parentPath, entry.name).slice(folder.length))
      .filter((path) => !SHOWS_ONLY.test(path.replaceAll('\\', '/')))
      .sort();
    for (const path of paths)
      parts.push(`${name}/${path}`, withoutComments(await readFile(join(folder, path), 'utf8')));
  }
  return contentHash(...parts);
}

/** Source without lines that hold a comment or nothing. */
export function withoutComments(source: string): string {
  const isCode = (line: string): boolean => !/^\s*(\/\/.*|\/\*.*|\*( .*|\/)?)?$/.test(line);
  return source.split(/\r?\n/).filter(isCode).join('\n');
}
