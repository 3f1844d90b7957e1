import type { Dirent } from 'node:fs';
import { open, readdir, stat } from 'node:fs/promises';
import { basename, join, relative, resolve } from 'node:path';
import { resolveInside } from '@drf/files';
import { IMAGE_FORMATS, describeOtherKind, SNIFFED_BYTES, sniffImageFormat } from '@drf/preprocessing';
import { messageOf, RowError } from '../ledger.js';
import { FileSource } from '../dataset.js';
import { imageSource, type ContentChecks } from './row-content.js';
import type { LocatedRow, UnlabeledResult } from './unlabeled-row.js';

/** Endings of images, also as web sites write them (`.jpg_large`, `.jpg:orig`), and of some that are not decoded. */
const IMAGE_ENDING = /\.(jpe?g|jpe|jfif|pjpeg|png|webp|gif|avif|heic|heif|tiff?|bmp|svg|jxl)([^a-z0-9.][^.]*)?$/i;
const TEXT_ENDING = /\.txt$/i;

/** Folders in folders are looked into so many levels deep. */
const DEEPEST = 32;

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
 * @param except beginning of the paths of files that are no input
 */
export async function folderNames(folder: string, except?: string): Promise<Map<string, PostFiles>> {
  const found = new Map<string, PostFiles>();
  for await (const { path, problem } of filesBelow(folder, '', 0)) {
    if (except !== undefined && resolve(folder, path).startsWith(resolve(except))) continue;
    const kind = problem === undefined ? await kindOf(folder, path) : { problem };
    if (kind === 'image' || kind === 'text') {
      const stem = path.replace(kind === 'text' ? TEXT_ENDING : IMAGE_ENDING, '').normalize('NFC');
      const { images = [], texts = [] } = found.get(stem) ?? {};
      found.set(stem, kind === 'image' ? { images: [...images, path], texts } : { images, texts: [...texts, path] });
    } else found.set(`${path}\0`, { images: [], texts: [], other: kind.problem });
  }
  const collator = new Intl.Collator('en', { numeric: true });
  return new Map([...found].sort(([a], [b]) => collator.compare(a, b) || (a < b ? -1 : 1)));
}

/** Something in a folder, by its path with `/`, and why it is not looked at, if so. */
interface FoundFile {
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

/** By the ending, and where that says nothing by the first bytes. */
async function kindOf(root: string, path: string): Promise<'image' | 'text' | { readonly problem: string }> {
  try {
    if (TEXT_ENDING.test(path)) return 'text';
    if (IMAGE_ENDING.test(path)) return 'image';
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

/** Posts of a folder: `12.jpg` and `12.txt` are one. Names are held in memory, contents are not. */
export async function* folderRows(
  folder: string,
  checks: ContentChecks,
  except?: string,
): AsyncGenerator<LocatedRow | UnlabeledResult> {
  let row = 0;
  for (const [name, files] of await folderNames(folder, except)) {
    const id = name.replace(/\0$/, '');
    const place = join(basename(folder), id);
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

/** A text of a folder. @throws DataError when it leads out of the folder */
export async function textFile(name: string, { root, maximumTextBytes }: ContentChecks): Promise<FileSource> {
  return new FileSource(root, relative(root, await resolveInside(root, name)), maximumTextBytes);
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
