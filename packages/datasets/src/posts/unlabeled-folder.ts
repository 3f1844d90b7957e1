import type { Dirent } from 'node:fs';
import { open, readdir, stat } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { resolveInside, type Storage } from '@drf/files';
import { DataError } from '@drf/tensor';
import { IMAGE_FORMATS, describeOtherKind, SNIFFED_BYTES, sniffImageFormat } from '@drf/preprocessing';
import { messageOf, RowError } from '../ledger.js';
import type { ContentSource } from '../dataset.js';
import { ALL_ROWS, type RowRange } from './row.js';
import { imageSource, type ContentChecks } from './row-content.js';
import type { LocatedRow, UnlabeledResult } from './unlabeled-row.js';

/** Endings of images, also as web sites write them (`.jpg_large`, `.jpg:orig`), and of some that are not decoded. */
const IMAGE_ENDING = /\.(jpe?g|jpe|jfif|pjpeg|png|webp|gif|avif|heic|heif|tiff?|bmp|svg|jxl)([^a-z0-9.][^.]*)?$/i;
const TEXT_ENDING = /\.txt$/i;

/** Folders in folders are looked into so many levels deep. */
const DEEPEST = 32;

/** What a file's name says of it as part of a post. */
export function contentKind(path: string): 'image' | 'text' | undefined {
  if (TEXT_ENDING.test(path)) return 'text';
  return IMAGE_ENDING.test(path) ? 'image' : undefined;
}

/** A path without what tells its kind, by which the files of a post belong together. */
export function contentStem(path: string): string {
  return path.replace(TEXT_ENDING.test(path) ? TEXT_ENDING : IMAGE_ENDING, '').normalize('NFC');
}

/** A folder whose files belong together by their names. */
export interface PostFolder {
  /** For messages. */
  readonly name: string;
  /** Its files, and those of the folders in it. */
  files(): AsyncIterable<FoundFile>;
  /** What a file is whose name does not tell, by its first bytes. */
  sniff(path: string): Promise<'image' | { readonly problem: string }>;
}

/**
 * A local folder. Links to files are followed as long as they stay inside.
 * @param except beginning of the paths of files that are no input
 * @param isSkipped says of a path below the folder whether it is no input
 */
export function localFolder(
  folder: string,
  except?: string,
  isSkipped: (path: string) => boolean = () => false,
): PostFolder {
  return {
    name: basename(folder),
    sniff: (path) => sniffLocal(folder, path),
    async *files() {
      for await (const file of filesBelow(folder, '', 0)) {
        const isOutput = except !== undefined && resolve(folder, file.path).startsWith(resolve(except));
        if (!isOutput && !isSkipped(file.path)) yield file;
      }
    },
  };
}

/** A folder of a storage, or all of it. */
export function storedFolder(storage: Storage, below: string, isSkipped: (path: string) => boolean): PostFolder {
  const start = below === '' ? '' : `${below}/`;
  return {
    name: basename(below === '' ? storage.location : below),
    async sniff(path) {
      const file = await storage.open(`${start}${path}`);
      const head = Buffer.from(await file.read(0, Math.min(SNIFFED_BYTES, file.bytes)));
      return sniffImageFormat(head) === null ? { problem: describeOtherKind(head, file.bytes) } : 'image';
    },
    async *files() {
      for await (const entry of storage.list(below)) {
        const path = entry.path.slice(start.length);
        if (!isSkipped(path)) yield { path };
      }
    },
  };
}

/** Files that share a name, below the folder, by kind; or what is no part of a post, and why. */
interface PostFiles {
  readonly images: readonly string[];
  readonly texts: readonly string[];
  readonly other?: string;
}

/**
 * Files of a folder and of the folders in it by the name that they share (`12`, `happy/12`), whatever its Unicode form, in
 * the order of the names.
 * Every file is there: those that are neither images nor `.txt` under their full names, with what they are.
 */
export async function folderNames(folder: PostFolder): Promise<Map<string, PostFiles>> {
  const found = new Map<string, PostFiles>();
  for await (const { path, problem } of folder.files()) {
    const kind = problem === undefined ? (contentKind(path) ?? (await folder.sniff(path))) : { problem };
    if (kind === 'image' || kind === 'text') {
      const stem = contentStem(path);
      const { images = [], texts = [] } = found.get(stem) ?? {};
      found.set(stem, kind === 'image' ? { images: [...images, path], texts } : { images, texts: [...texts, path] });
    } else found.set(`${path}\0`, { images: [], texts: [], other: kind.problem });
  }
  const collator = new Intl.Collator('en', { numeric: true });
  return new Map([...found].sort(([a], [b]) => collator.compare(a, b) || (a < b ? -1 : 1)));
}

/** Something in a folder, by its path with `/`, and why it is not looked at, if so. */
export interface FoundFile {
  readonly path: string;
  readonly problem?: string;
}

async function* filesBelow(root: string, folder: string, depth: number): AsyncGenerator<FoundFile> {
  let entries: Dirent[];
  try {
    entries = await readdir(join(root, folder), { withFileTypes: true });
  } catch (error) {
    yield { path: folder, problem: `a folder that cannot be read (${messageOf(error)})` };
    return;
  }
  for (const entry of entries.sort((a, b) => (a.name < b.name ? -1 : 1))) {
    const path = folder === '' ? entry.name : `${folder}/${entry.name}`;
    if (entry.isDirectory()) {
      if (entry.name.startsWith('.')) yield { path, problem: 'a hidden folder, which is not looked into' };
      else if (depth >= DEEPEST) yield { path, problem: `a folder more than ${DEEPEST} levels deep` };
      else yield* filesBelow(root, path, depth + 1);
    } else yield { path };
  }
}

async function sniffLocal(root: string, path: string): Promise<'image' | { readonly problem: string }> {
  try {
    const real = await resolveInside(root, path);
    const stats = await stat(real);
    if (stats.isDirectory()) return { problem: 'a link to a folder, which is not followed' };
    if (!stats.isFile()) return { problem: 'a device or pipe' };
    const file = await open(real);
    try {
      const { buffer, bytesRead } = await file.read(Buffer.alloc(SNIFFED_BYTES), 0, SNIFFED_BYTES, 0);
      const head = buffer.subarray(0, bytesRead);
      return sniffImageFormat(head) === null ? { problem: describeOtherKind(head, stats.size) } : 'image';
    } finally {
      await file.close();
    }
  } catch (error) {
    return { problem: messageOf(error) };
  }
}

/**
 * Posts of a folder: `12.jpg` and `12.txt` are one. Names are held in memory, contents are not.
 * @param range counts as if all were given
 */
export async function* folderRows(
  folder: PostFolder,
  checks: ContentChecks,
  range: RowRange = ALL_ROWS,
): AsyncGenerator<LocatedRow | UnlabeledResult> {
  let { row } = range;
  for (const [name, files] of [...(await folderNames(folder))].slice(row, row + range.rows)) {
    const id = name.replace(/\0$/, '');
    const place = join(folder.name, id);
    row++;
    const error = files.other === undefined ? tooMany(place, files) : noPost(place, files.other);
    if (error !== null) yield { row, id, error };
    else {
      const own = { image: files.images[0] ?? null, text: files.texts[0] ?? null };
      yield { row, id, place, line: null, own, content: () => contentOf(place, id, files, checks) };
    }
  }
}

async function contentOf(place: string, id: string, { images, texts }: PostFiles, checks: ContentChecks) {
  const [[image], [text]] = [images, texts];
  return {
    image: image === undefined ? null : await imageSource(place, id, image, checks),
    text: text === undefined ? null : await textFile(text, checks),
  };
}

/** A text of a folder. @throws DataError when it is not there, or leads out of the folder */
export async function textFile(name: string, { root, maximumTextBytes }: ContentChecks): Promise<ContentSource> {
  const found = await root.find(name);
  if (found !== null) return found.source(maximumTextBytes);
  throw new DataError({ subject: `Text ${name}`, expected: `a file inside ${root.name}`, received: 'nothing there' });
}

/** The error of files of which it cannot be told which belong to the post, or `null`. */
function tooMany(place: string, { images, texts }: PostFiles): RowError | null {
  const several = images.length > 1 ? images : texts;
  if (several.length < 2) return null;
  return new RowError('bad row', {
    subject: place,
    expected: `one ${several === images ? 'image' : 'text'} of this name`,
    received: several.map((path) => JSON.stringify(basename(path))).join(' and '),
    remedy: 'rename all but one of them, or move them away',
  });
}

function noPost(place: string, received: string): RowError {
  return new RowError('no post', {
    subject: place,
    expected: `an image (${IMAGE_FORMATS.join(', ')}) or a .txt file`,
    received,
    remedy: 'convert it, or move it away',
  });
}
