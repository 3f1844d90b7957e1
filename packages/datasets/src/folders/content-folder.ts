import type { Dirent } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { extname, join, relative } from 'node:path';
import { resolveInside } from '@drf/files';
import { DataError } from '@drf/tensor';
import { FileSource, type PostRecord } from '../dataset.js';
import type { ContentOptions } from '../options.js';
import { messageOf, RowError, type DropReason } from '../ledger.js';
import type { LabelledLine } from './label-lines.js';

/** A folder of a data set with the names in it, listed once: whether a file exists costs no further access. */
export class ContentFolder {
  private byPlainName: ReadonlyMap<string, string> | undefined;

  private constructor(
    /** Absolute path of the data set's root. */
    readonly root: string,
    private readonly path: string,
    private readonly entries: ReadonlyMap<string, 'file' | 'link'>,
  ) {}

  /**
   * Lists a folder.
   * @param subject who opens it, for the error
   * @param layout what the root should hold, for the error
   * @throws DataError when it is missing, or a link out of the root
   */
  static async open(subject: string, root: string, name: string, layout: string): Promise<ContentFolder> {
    const absoluteRoot = await resolveInside(root, '.');
    const path = await resolveInside(absoluteRoot, name);
    const listing = await readdir(path, { withFileTypes: true }).catch((cause: NodeJS.ErrnoException) => {
      const received = cause.code === 'ENOENT' ? 'no such folder' : `${cause.code}: ${cause.message}`;
      const remedy = 'check the root folder that you named';
      const expected = `a folder ${join(root, name)} (${layout})`;
      throw new DataError({ subject, expected, received, remedy }, { cause });
    });
    return new ContentFolder(absoluteRoot, path, new Map(listing.flatMap(entryOf)));
  }

  /** The name as it stands in the folder, perhaps with another case of its ending (`12.JPG`), or `undefined`. */
  find(name: string): string | undefined {
    if (this.entries.has(name)) return name;
    this.byPlainName ??= new Map([...this.entries.keys()].map((entry) => [withPlainEnding(entry), entry]));
    return this.byPlainName.get(withPlainEnding(name));
  }

  hasEnding(ending: string): boolean {
    for (const name of this.entries.keys()) if (withPlainEnding(name).endsWith(ending)) return true;
    return false;
  }

  /**
   * The path below the root of a file that the listing holds, and its size in bytes.
   * @throws DataError when it is a link that leads out of the root, or nowhere
   */
  async locate(name: string): Promise<{ readonly path: string; readonly size: number }> {
    const plain = join(this.path, name);
    const real = this.entries.get(name) === 'link' ? await resolveInside(this.root, plain) : plain;
    const { size } = await stat(real).catch((cause: NodeJS.ErrnoException) => {
      const report = { subject: `File ${plain}`, expected: 'a readable file', received: cause.code ?? cause.message };
      throw new DataError({ ...report, remedy: 'restore it, or remove its row' }, { cause });
    });
    return { path: relative(this.root, real), size };
  }
}

function withPlainEnding(name: string): string {
  const ending = extname(name);
  return name.slice(0, name.length - ending.length) + ending.toLowerCase();
}

function entryOf(entry: Dirent): [string, 'file' | 'link'][] {
  if (entry.isFile()) return [[entry.name, 'file']];
  return entry.isSymbolicLink() ? [[entry.name, 'link']] : [];
}

/** A post with both of its files. */
export interface LocatedPost extends PostRecord {
  readonly text: FileSource;
}

/**
 * Checks that both files of a post are there and hold something, and makes its record.
 * @throws RowError naming what is missing, empty, or outside the root
 */
export async function locatePost(
  name: string,
  { id, label, line }: LabelledLine,
  images: ContentFolder,
  texts: ContentFolder,
  options: ContentOptions,
): Promise<LocatedPost> {
  const [imageFile, textFile] = [`${id}.jpg`, `${id}.txt`];
  const [foundImage, foundText] = [images.find(imageFile), texts.find(textFile)];
  const subject = `${name} post ${id}`;
  const expected = `files ${imageFile} and ${textFile}`;
  const fail = (reason: DropReason, received: string): RowError =>
    new RowError(reason, { subject, expected, received, remedy: 'restore the files, or leave the post out' });
  if (foundImage === undefined && foundText === undefined) throw fail('missing image and text', 'neither');
  if (foundImage === undefined) throw fail('missing image', `no ${imageFile}`);
  if (foundText === undefined) throw fail('missing text', `no ${textFile}`);
  const [image, text] = await Promise.all([images.locate(foundImage), texts.locate(foundText)]).catch(asRowError);
  if (image.size === 0) throw fail('empty image file', `${imageFile} of 0 bytes`);
  if (text.size === 0) throw fail('empty text file', `${textFile} of 0 bytes`);
  return {
    id,
    label,
    line,
    image: new FileSource(images.root, image.path, options.maximumImageBytes),
    text: new FileSource(texts.root, text.path, options.maximumTextBytes),
  };
}

function asRowError(error: unknown): never {
  if (!(error instanceof DataError)) throw error;
  const outside = messageOf(error).includes('leads outside');
  throw new RowError(outside ? 'path outside the root' : 'unreadable file', error.report, { cause: error });
}
