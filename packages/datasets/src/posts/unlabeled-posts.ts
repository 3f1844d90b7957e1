import { stat } from 'node:fs/promises';
import { basename, dirname } from 'node:path';
import { isObjectLocation } from '@drf/storage';
import { mapAhead, DataError } from '@drf/tensor';
import { decodeImage, type ImageDecoding } from '@drf/preprocessing';
import { findEncodings } from '../folders/text-encodings.js';
import { postHash, type ContentSource } from '../dataset.js';
import { imageHash, textHash } from '../decoded-hash.js';
import { asUnusableRow, RowError } from '../ledger.js';
import { decodeText, type EncodingChoice, type TextEncoding } from '../text-decoder.js';
import { encodingOf } from '../text-evidence.js';
import { openNamedFile } from './named-file.js';
import { openTable, streamedTable, type Table, type TableStream } from './reader.js';
import type { ColumnNames } from './columns.js';
import type { ContentChecks } from './row-content.js';
import { openRoot, type ContentRoot } from './content-root.js';
import { folderNames, folderRows, localFolder, textFile, type PostFolder } from './unlabeled-folder.js';
import { tableRows, type LocatedRow, type UnlabeledResult } from './unlabeled-row.js';

/** How posts without labels are read. */
export interface UnlabeledOptions {
  /** Folder that image paths are relative to (default: that of the file). Nothing outside it is read. */
  readonly root?: string;
  readonly decoding: ImageDecoding;
  /**
   * Encoding of a table, or of a folder's text files. Default `auto`: found out from all of the table's bytes; of a folder
   * whose texts are GB18030 for the most part that, else of each text by itself.
   */
  readonly encoding?: EncodingChoice;
  /** Told how the input is read, where that is worth knowing: an encoding that was found out, words for "no image". */
  readonly onNote?: (message: string) => void;
  /** Default 64 MiB a file. */
  readonly maximumImageBytes?: number;
  /** Default 1 MiB a text. */
  readonly maximumTextBytes?: number;
  /** Which column holds what, where common names do not tell. */
  readonly columns?: ColumnNames;
  /** Files of a folder whose paths begin with this are no input, as an output inside it and what waits to be it. */
  readonly except?: string;
  /** Rows at the start that are passed over, their content unread. Default 0. */
  readonly skip?: number;
  /**
   * A table that is read in place of a file, as it comes and row by row: standard input. The path is then its name in
   * messages, `root` the working folder unless said, and `auto` means UTF-8.
   */
  readonly stream?: TableStream;
}

/** Rows that are read and decoded side by side. */
export const ROWS_AHEAD = 16;

/**
 * Reads posts without labels one after the other, with memory that does not grow: a `.jsonl`, `.csv`, `.tsv` or
 * `.parquet` file with columns `text` and `image` (one of them is enough; `id` if there is one; others are not looked
 * at), also packed by gzip, a WebDataset (`.tar`), or a folder whose files, and those of the folders in it, belong together
 * by name (`12.jpg` with `12.txt`). A wrong row, and a file that belongs to no post, comes as its error.
 * @param path file, or folder; a file may lie in object storage (`s3://bucket/posts.csv`)
 * @throws DataError when there is nothing at the path, or a table has neither column
 */
export async function* readUnlabeledPosts(path: string, options: UnlabeledOptions): AsyncGenerator<UnlabeledResult> {
  const note = onceEach(options.onNote);
  if (options.stream !== undefined) return yield* streamedPosts(path, { ...options, stream: options.stream }, note);
  const skip = options.skip ?? 0;
  const range = { row: skip, rows: Infinity };
  if (await isFolder(path)) {
    const checks = checksOf(await openRoot(path), options, note);
    const folder = localFolder(path, options.except);
    const encoding = await folderEncoding(folder, checks, options.encoding, note);
    const rows = folderRows(folder, checks, range);
    yield* mapAhead(rows, ROWS_AHEAD, (row) => readRow(row, options.decoding, encoding));
    return;
  }
  const folder = isObjectLocation(path) ? path.slice(0, path.lastIndexOf('/')) : dirname(path);
  const checks = checksOf(await openRoot(options.root ?? folder), options, note);
  const rows = tableRows(await tableAt(path, options, note), checks, range);
  yield* mapAhead(rows, ROWS_AHEAD, (row) => readRow(row, options.decoding, 'utf-8'));
}

/** @throws DataError when nothing is there */
async function isFolder(path: string): Promise<boolean> {
  if (isObjectLocation(path)) return false;
  const stats = await stat(path).catch(() => undefined);
  if (stats === undefined) throw nothingThere(path);
  return stats.isDirectory();
}

/** Row by row: each is judged before the next is waited for. */
async function* streamedPosts(
  name: string,
  options: UnlabeledOptions & { readonly stream: TableStream },
  note: (message: string) => void,
): AsyncGenerator<UnlabeledResult> {
  const { stream, columns = {}, encoding = 'auto', root = '.' } = options;
  const table = streamedTable(name, stream, { kind: 'unlabeled', columns, encoding });
  for await (const row of tableRows(table, checksOf(await openRoot(root), options, note))) {
    if (row.row > (options.skip ?? 0)) yield readRow(row, options.decoding, 'utf-8');
  }
}

async function tableAt(
  path: string,
  { columns = {}, encoding = 'auto' }: Pick<UnlabeledOptions, 'columns' | 'encoding'>,
  note?: (message: string) => void,
): Promise<Table> {
  const table = await openTable(await openNamedFile(path), { kind: 'unlabeled', columns, encoding });
  for (const message of table.notes) note?.(`${basename(path)}: ${message}`);
  return table;
}

/** Says a message once, however many rows it is true of. */
export function onceEach(onNote: UnlabeledOptions['onNote']): (message: string) => void {
  const said = new Set<string>();
  return (message) => {
    if (!said.has(message)) onNote?.(message);
    said.add(message);
  };
}

/** How the texts of a folder are encoded; `auto`: each by itself. All are read where nobody says. */
export async function folderEncoding(
  folder: PostFolder,
  checks: ContentChecks,
  encoding: EncodingChoice = 'auto',
  note: (message: string) => void,
): Promise<EncodingChoice> {
  if (encoding !== 'auto') return encoding;
  const names = [...(await folderNames(folder)).values()].flatMap(({ texts }) => texts);
  const texts = names.map((name) => ({ bytes: async () => (await textFile(name, checks)).bytes() }));
  const { usual, others } = await findEncodings(texts, 'unknown');
  const named = '--dataset.encoding names another';
  if (usual !== 'utf-8') note(`texts are read as ${usual.toUpperCase()} (found out; ${named})`);
  if (others.size === 0) return usual;
  note(`${others.size} texts are not UTF-8 and are read as ${[...new Set(others.values())].join(', ')} (${named})`);
  return 'auto';
}

/** How many rows {@link readUnlabeledPosts} will give, without reading their content. */
export async function countUnlabeledPosts(
  path: string,
  options: Pick<UnlabeledOptions, 'columns' | 'encoding' | 'except'> = {},
): Promise<number> {
  if (await isFolder(path)) return (await folderNames(localFolder(path, options.except))).size;
  let count = 0;
  for await (const raw of (await tableAt(path, options)).rows()) count += raw === undefined ? 0 : 1;
  return count;
}

/** What content is checked against, with the defaults. */
export function checksOf(
  root: ContentRoot,
  { maximumImageBytes, maximumTextBytes }: Pick<UnlabeledOptions, 'maximumImageBytes' | 'maximumTextBytes'>,
  note: ContentChecks['note'],
): ContentChecks {
  return {
    root,
    maximumImageBytes: maximumImageBytes ?? 64 * 1024 * 1024,
    maximumTextBytes: maximumTextBytes ?? 1024 * 1024,
    note,
    keepImage: (bytes, description) => ({ description, bytes: () => Promise.resolve(bytes) }),
  };
}

/** A row with its content, decoded, or why it cannot be used. @param encoding of texts that come from files */
export async function readRow(
  located: LocatedRow | UnlabeledResult,
  decoding: ImageDecoding,
  encoding: EncodingChoice,
): Promise<UnlabeledResult> {
  if (!('content' in located)) return located;
  const { row, id, place, line, own } = located;
  try {
    const sources = await located.content();
    const bytes = sources.image === null ? null : await sources.image.bytes();
    const subject = `${place}, image ${sources.image?.description}`;
    const image = bytes === null ? null : await decodeImage(subject, bytes, decoding).catch(asUnusableRow);
    const written = sources.text === null ? null : await textBytes(sources.text, encoding);
    const text = written === null ? '' : decodeText(`${place}, text`, written.bytes, written.encoding);
    if (image === null && text === '') throw bothAbsent(place);
    const post = { image, text: text === '' ? null : text };
    const contentHashes = {
      image: bytes === null ? null : imageHash(bytes, decoding),
      text: written === null || text === '' ? null : textHash(written.bytes, written.encoding),
    };
    return { row, id, line, own, post, hash: postHash(post.text, bytes), contentHashes };
  } catch (error) {
    if (error instanceof RowError) return { row, id, error };
    if (error instanceof DataError) {
      return { row, id, error: new RowError('unreadable file', { ...error.report, subject: place }, { cause: error }) };
    }
    throw error;
  }
}

async function textBytes(source: ContentSource, choice: EncodingChoice) {
  const bytes = await source.bytes();
  const encoding: TextEncoding = source.encoding ?? (choice === 'auto' ? encodingOf(bytes) : choice);
  return { bytes, encoding };
}

function bothAbsent(place: string): RowError {
  return new RowError('missing image and text', {
    subject: place,
    expected: 'text or an image, or both',
    received: 'neither',
    remedy: 'fill in one of them or remove it',
  });
}

function nothingThere(path: string): DataError {
  return new DataError({
    subject: `Opening ${path}`,
    expected: 'a file of posts (.jsonl, .csv, .tsv, .parquet) or a folder of images and texts',
    received: 'nothing there',
    remedy: 'check the path',
  });
}
