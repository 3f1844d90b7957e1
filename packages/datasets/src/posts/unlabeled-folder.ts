import { opendir } from 'node:fs/promises';
import { basename, extname, join, relative } from 'node:path';
import { resolveInside } from '@drf/files';
import { FileSource } from '../source.js';
import { imageSource, type ContentChecks } from './row-content.js';
import type { LocatedRow } from './unlabeled-row.js';

const IMAGE_ENDINGS = new Set(['.jpg', '.jpeg', '.png', '.webp', '.gif', '.avif', '.heic', '.tif', '.tiff']);
const TEXT_ENDING = '.txt';

/** Files of one post by kind. */
interface PostFiles {
  readonly image?: string;
  readonly text?: string;
}

/** Files of a folder (not of folders in it) by the name that they share, in the order of the names. */
export async function folderNames(folder: string): Promise<Map<string, PostFiles>> {
  const found = new Map<string, PostFiles>();
  for await (const { name } of await opendir(folder)) {
    const ending = extname(name).toLowerCase();
    const kind = ending === TEXT_ENDING ? 'text' : IMAGE_ENDINGS.has(ending) ? 'image' : undefined;
    if (kind === undefined) continue;
    const stem = basename(name, extname(name));
    found.set(stem, { ...found.get(stem), [kind]: name });
  }
  const collator = new Intl.Collator('en', { numeric: true });
  return new Map([...found].sort(([a], [b]) => collator.compare(a, b) || (a < b ? -1 : 1)));
}

/** Posts of a folder: `12.jpg` and `12.txt` are one. Names are held in memory, contents are not. */
export async function* folderRows(folder: string, checks: ContentChecks): AsyncGenerator<LocatedRow> {
  let row = 0;
  for (const [id, files] of await folderNames(folder)) {
    const place = join(basename(folder), id);
    yield { row: ++row, id, place, content: () => contentOf(place, files, checks) };
  }
}

async function contentOf(place: string, { image, text }: PostFiles, checks: ContentChecks) {
  return {
    image: image === undefined ? null : await imageSource(place, image, checks),
    text: text === undefined ? null : await textFile(text, checks),
  };
}

/** A text of a folder. @throws DataError when it leads out of the folder */
export async function textFile(name: string, { root, maximumTextBytes }: ContentChecks): Promise<FileSource> {
  return new FileSource(root, relative(root, await resolveInside(root, name)), maximumTextBytes);
}
