import { open } from 'node:fs/promises';
import { basename, extname } from 'node:path';
import { ConfigurationError, DataError } from '@drf/tensor';
import { decodeLoosely, type EncodingChoice } from '../text-decoder.js';
import { fileEvidence } from '../text-evidence.js';
import { findColumns, type ColumnNames, type PostKind } from './columns.js';
import { readCsv } from './csv.js';
import { namedSeparator, sniffDelimiter, splitCells } from './csv-line.js';
import { parseJson, readJsonArray, readJsonLines } from './json.js';
import { PLAIN_TEXT, type TextForm } from './lines.js';
import { readParquet } from './parquet.js';
import type { RawRow, RowReader } from './row.js';

/** Forms of a table of posts. */
type TableFormat = 'CSV' | 'JSON Lines' | 'a JSON array' | 'Parquet';

const READERS: Readonly<Record<TableFormat, RowReader>> = {
  CSV: readCsv,
  'JSON Lines': readJsonLines,
  'a JSON array': readJsonArray,
  Parquet: readParquet,
};

const FORMATS: Readonly<Record<string, TableFormat>> = {
  '.jsonl': 'JSON Lines',
  '.ndjson': 'JSON Lines',
  '.csv': 'CSV',
  '.tsv': 'CSV',
  '.parquet': 'Parquet',
  '.json': 'a JSON array',
};

/** Bytes that files of other kinds begin with, which people give the name of a table. */
const FOREIGN: readonly (readonly [magic: string, name: string, remedy: string])[] = [
  ['1f8b', 'a gzip archive', 'unpack it first (gunzip)'],
  ['504b0304', 'a ZIP archive or an Excel workbook', 'unpack it, or save the sheet as "CSV UTF-8"'],
  ['d0cf11e0a1b11ae1', 'an old Excel workbook', 'save the sheet as "CSV UTF-8"'],
  ['28b52ffd', 'a Zstandard archive', 'unpack it first (zstd -d)'],
  ['425a68', 'a bzip2 archive', 'unpack it first (bunzip2)'],
  ['fd377a585a00', 'an XZ archive', 'unpack it first (unxz)'],
  ['25504446', 'a PDF', 'export the table as CSV'],
];

/** Bytes of a file that tell its form. */
const HEAD_BYTES = 64 * 1024;

/** A table of posts whose form and encoding are known. */
export interface Table {
  readonly format: TableFormat;
  /** What a person should know of how it is read: another form than its name says, an encoding that was found out. */
  readonly notes: readonly string[];
  rows(): AsyncIterable<RawRow>;
  /** Where a row stands, for messages: "posts.csv, line 7", or "posts.parquet, row 7" where there are no lines. */
  placeOf(line: number): string;
}

/** How a table is opened. */
export interface TableOptions {
  readonly kind: PostKind;
  readonly columns: ColumnNames;
  readonly encoding: EncodingChoice;
}

/**
 * Opens a table of posts. Its content tells its form (Parquet in a file named `.csv`, JSON Lines in one named `.json`),
 * and of a text its encoding and line ends, for which the file is read once.
 * @throws ConfigurationError when the ending is none of those known
 * @throws DataError for archives, workbooks and the like, by name
 */
export async function openTable(path: string, { kind, columns, encoding }: TableOptions): Promise<Table> {
  const head = await headOf(path);
  refuseForeign(path, head);
  const named = FORMATS[extname(path).toLowerCase()];
  if (named === undefined) throw unknownEnding(path);
  const notes: string[] = [];
  let form = PLAIN_TEXT;
  let format: TableFormat = 'Parquet';
  if (head.subarray(0, 4).toString('latin1') !== 'PAR1') {
    form = await formOf(path, head, encoding, notes);
    format = textFormat(path, decodeLoosely(head, form.encoding), named, kind, columns);
  }
  if (format !== named) notes.unshift(`holds ${format}, whatever its name says, and is read as that`);
  const unit = format === 'CSV' || format === 'JSON Lines' ? 'line' : 'row';
  return {
    format,
    notes,
    rows: () => READERS[format](path, kind, columns, form),
    placeOf: (line) => `${basename(path)}, ${unit} ${line}`,
  };
}

/** A table that is no file and is read once, as it comes. */
export interface TableStream {
  readonly format: 'CSV' | 'JSON Lines';
  readonly chunks: AsyncIterable<Buffer>;
}

/** A table whose form nothing but its user can tell. @param name for messages */
export function streamedTable(name: string, stream: TableStream, { kind, columns, encoding }: TableOptions): Table {
  const { format, chunks } = stream;
  const form: TextForm = { ...PLAIN_TEXT, ...(encoding === 'auto' ? {} : { encoding }), chunks };
  return {
    format,
    notes: [],
    rows: () => READERS[format](name, kind, columns, form),
    placeOf: (line) => `${name}, line ${line}`,
  };
}

async function headOf(path: string): Promise<Buffer> {
  const handle = await open(path).catch((cause: NodeJS.ErrnoException) => {
    const report = { subject: `Opening ${path}`, expected: 'a file of posts', received: cause.code ?? cause.message };
    throw new DataError({ ...report, remedy: 'check the path' }, { cause });
  });
  try {
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(HEAD_BYTES), 0, HEAD_BYTES, 0);
    return buffer.subarray(0, bytesRead);
  } finally {
    await handle.close();
  }
}

/** Encoding and line ends of a text; those that were found out are noted, UTF-8 apart. */
async function formOf(path: string, head: Buffer, encoding: EncodingChoice, notes: string[]): Promise<TextForm> {
  const evidence = await fileEvidence(path);
  const firstEnd = /[\r\n]+/.exec(decodeLoosely(head, encoding === 'auto' ? evidence.encoding : encoding))?.[0];
  const hasNewline = firstEnd?.includes('\n') ?? evidence.hasNewline; // cells of lines that end in "\r" may hold "\n"
  const lineEnd = evidence.hasReturn && !hasNewline ? '\r' : '\n';
  if (encoding !== 'auto') return { encoding, lineEnd };
  if (evidence.encoding !== 'utf-8') {
    notes.push(`is not UTF-8; read as ${evidence.encoding} (--dataset.encoding names another)`);
  } else if (evidence.utf8Faults > 0) {
    notes.push('is UTF-8 but for some bytes, whose rows are not used (--dataset.encoding names another encoding)');
  }
  return { encoding: evidence.encoding, lineEnd };
}

/** What a text is by how it begins, where that is certain; else what its name says. */
function textFormat(path: string, head: string, named: TableFormat, kind: PostKind, columns: ColumnNames): TableFormat {
  const text = head.replace(/^\ufeff/, '').trimStart();
  const first = /^[^\r\n]*/.exec(text)?.[0] ?? '';
  if (/^\[\s*(\{|$)/.test(text)) return 'a JSON array';
  if (text.startsWith('{')) return named === 'JSON Lines' || holdsPost(first, columns) ? 'JSON Lines' : named;
  const isTable = named !== 'CSV' && !text.startsWith('[') && isHeader(path, first, kind, columns);
  return isTable ? 'CSV' : named;
}

function holdsPost(line: string, columns: ColumnNames): boolean {
  try {
    const value = parseJson(line);
    return typeof value === 'object' && value !== null && findColumns(Object.keys(value), columns).holds.size > 0;
  } catch {
    return false;
  }
}

function isHeader(path: string, line: string, kind: PostKind, columns: ColumnNames): boolean {
  if (namedSeparator(line) !== null) return true;
  const names = splitCells(line, sniffDelimiter(path, line)).cells.map((name) => name.trim());
  const roles = new Set<string>(findColumns(names, columns).holds.values());
  return (roles.has('text') || roles.has('image')) && (kind === 'unlabeled' || roles.has('label'));
}

function refuseForeign(path: string, head: Buffer): void {
  const start = head.subarray(0, 16).toString('hex');
  const found = FOREIGN.find(([magic]) => start.startsWith(magic));
  const isPage = /^\s*(<!doctype html|<html)/i.test(head.subarray(0, 256).toString('latin1'));
  if (found === undefined && !isPage) return;
  const [, received, remedy] = found ?? ['', 'a web page (HTML)', 'download the file itself'];
  const expected = 'a table of posts: CSV, JSON Lines, JSON or Parquet';
  throw new DataError({ subject: `Opening ${path}`, expected, received, remedy });
}

function unknownEnding(path: string): ConfigurationError {
  return new ConfigurationError({
    subject: `Opening ${path}`,
    expected: `a file that ends in ${Object.keys(FORMATS).join(', ')}`,
    received: extname(path) === '' ? 'none of these' : extname(path),
    remedy: 'convert or rename the file',
  });
}
