import { extname } from 'node:path';
import type { StoredFile } from '@drf/files';
import { ConfigurationError, DataError } from '@drf/tensor';
import { RowError } from '../ledger.js';
import { decodeLoosely, type EncodingChoice } from '../text-decoder.js';
import { EncodingEvidence } from '../text-evidence.js';
import { findColumns, type ColumnNames, type PostKind } from './columns.js';
import { readCsv } from './csv.js';
import { namedSeparator, sniffDelimiter, splitCells } from './csv-line.js';
import { isGzip, unpacked } from './gzip.js';
import { parseJson, readJsonArray, readJsonLines } from './json.js';
import { PLAIN_TEXT, type TextForm } from './lines.js';
import { ALL_ROWS, type RawRow, type RowRange, type RowReader } from './row.js';
import { isTar, readWebDataset } from './web-dataset.js';

/** Forms of a table of posts. */
export type TableFormat = 'CSV' | 'JSON Lines' | 'a JSON array' | 'Parquet' | 'WebDataset';

/** Parquet's libraries are loaded with the first file of it. */
const readParquet: RowReader = async function* (file, options) {
  yield* (await import('./parquet.js')).readParquet(file, options);
};

const READERS: Readonly<Record<TableFormat, RowReader>> = {
  CSV: readCsv,
  'JSON Lines': readJsonLines,
  'a JSON array': readJsonArray,
  Parquet: readParquet,
  WebDataset: readWebDataset,
};

const FORMATS: Readonly<Record<string, TableFormat>> = {
  '.jsonl': 'JSON Lines',
  '.ndjson': 'JSON Lines',
  '.csv': 'CSV',
  '.tsv': 'CSV',
  '.parquet': 'Parquet',
  '.json': 'a JSON array',
  '.tar': 'WebDataset',
};

/** Bytes that files of other kinds begin with, which people give the name of a table. */
const FOREIGN: readonly (readonly [magic: string, name: string, remedy: string])[] = [
  ['504b0304', 'a ZIP archive or an Excel workbook', 'unpack it, or save the sheet as "CSV UTF-8"'],
  ['d0cf11e0a1b11ae1', 'an old Excel workbook', 'save the sheet as "CSV UTF-8"'],
  ['28b52ffd', 'a Zstandard archive', 'unpack it first (zstd -d)'],
  ['425a68', 'a bzip2 archive', 'unpack it first (bunzip2)'],
  ['fd377a585a00', 'an XZ archive', 'unpack it first (unxz)'],
  ['25504446', 'a PDF', 'export the table as CSV'],
];

/** Bytes of a file that tell its form. */
const HEAD_BYTES = 64 * 1024;

/** How a table is stored: found once, by its bytes. */
export interface TableForm extends TextForm {
  readonly format: TableFormat;
  /** Packed by gzip. */
  readonly isPacked: boolean;
}

/** A table of posts whose form and encoding are known. */
export interface Table {
  /** What its rows are read from, unpacked. */
  readonly file: StoredFile;
  readonly form: TableForm;
  /** What a person should know of how it is read: another form than its name says, an encoding that was found out. */
  readonly notes: readonly string[];
  /** @param onNote told what is worth knowing of the file once its rows are read */
  rows(range?: RowRange, onNote?: (message: string) => void): AsyncIterable<RawRow>;
  /** Where a row stands, for messages: "posts.csv, line 7", or "posts.parquet, row 7" where there are no lines. */
  placeOf(line: number): string;
}

/** How a table is opened. */
export interface TableOptions {
  readonly kind: PostKind;
  readonly columns: ColumnNames;
  readonly encoding: EncodingChoice;
}

/** Whether the name is one that tables have. */
export function isTableName(path: string): boolean {
  return formatOf(path) !== undefined;
}

function formatOf(path: string): TableFormat | undefined {
  const name = path.toLowerCase();
  return name.endsWith('.tgz') ? 'WebDataset' : FORMATS[extname(name.replace(/\.gz$/, ''))];
}

/**
 * Opens a table of posts. Its content tells its form (Parquet in a file named `.csv`, JSON Lines in one named `.json`, what
 * gzip has packed), and of a text its encoding and line ends, for which the file is read once.
 * @throws ConfigurationError when the ending is none of those known
 * @throws DataError for archives, workbooks and the like, by name
 */
export async function openTable(stored: StoredFile, options: TableOptions): Promise<Table> {
  const { kind, columns, encoding } = options;
  const packedHead = await headOf(stored);
  const isPacked = isGzip(packedHead);
  const file = isPacked ? unpacked(stored) : stored;
  const head = isPacked ? await headOf(file) : packedHead;
  refuseForeign(file.name, head);
  const named = formatOf(file.path);
  if (named === undefined) throw unknownEnding(file.name);
  const notes: string[] = [];
  let form = PLAIN_TEXT;
  let format: TableFormat = isTar(head) ? 'WebDataset' : 'Parquet';
  if (head.subarray(0, 4).toString('latin1') === 'PAR1') {
    if (isPacked) throw packedParquet(file.name);
  } else if (format !== 'WebDataset') {
    form = await formOf(file, head, encoding, notes);
    format = textFormat(file.path, decodeLoosely(head, form.encoding), named, kind, columns);
  }
  if (format !== named) notes.unshift(`holds ${format}, whatever its name says, and is read as that`);
  if (isPacked !== /\.t?gz$/i.test(file.path)) {
    notes.unshift(
      isPacked ? 'is packed by gzip, whatever its name says' : 'is not packed by gzip, whatever its name says',
    );
  }
  return tableOf(stored, { ...form, format, isPacked }, options, notes);
}

const UNITS: Readonly<Record<TableFormat, string>> = {
  CSV: 'line',
  'JSON Lines': 'line',
  'a JSON array': 'row',
  Parquet: 'row',
  WebDataset: 'post',
};

/** A table whose form was found out before. */
export function tableOf(
  stored: StoredFile,
  form: TableForm,
  { kind, columns }: Pick<TableOptions, 'kind' | 'columns'>,
  notes: readonly string[] = [],
): Table {
  const file = form.isPacked ? unpacked(stored) : stored;
  return {
    file,
    form,
    notes,
    rows: (range = ALL_ROWS, onNote = () => undefined) =>
      READERS[form.format](file, { kind, named: columns, form, range, onNote }),
    placeOf: (line) => `${file.path}, ${UNITS[form.format]} ${line}`,
  };
}

/** A table that is no file and is read once, as it comes. */
export interface TableStream {
  readonly format: 'CSV' | 'JSON Lines';
  readonly chunks: AsyncIterable<Buffer>;
}

/** A table whose form nothing but its user can tell. @param name for messages */
export function streamedTable(name: string, { format, chunks }: TableStream, options: TableOptions): Table {
  const { encoding } = options;
  const form = { ...PLAIN_TEXT, ...(encoding === 'auto' ? {} : { encoding }), format, isPacked: false };
  const refuse = () => Promise.reject(new DataError({ subject: `Reading ${name}`, expected: 'a file', received: 'a stream' })); // prettier-ignore
  return tableOf({ path: name, name, bytes: Infinity, version: '', read: refuse, stream: () => chunks }, form, options);
}

async function headOf(file: StoredFile): Promise<Buffer> {
  const { buffer, byteOffset, length } = await file.read(0, Math.min(HEAD_BYTES, file.bytes));
  return Buffer.from(buffer, byteOffset, length);
}

/** What all bytes of a text say. One that breaks off is judged by what there is of it. */
async function evidenceOf(file: StoredFile): Promise<EncodingEvidence> {
  const evidence = new EncodingEvidence();
  try {
    for await (const { buffer, byteOffset, length } of file.stream()) evidence.add(Buffer.from(buffer, byteOffset, length)); // prettier-ignore
  } catch (error) {
    if (!(error instanceof RowError)) throw error;
  }
  return evidence.end();
}

/** Encoding and line ends of a text; those that were found out are noted, UTF-8 apart. */
async function formOf(file: StoredFile, head: Buffer, encoding: EncodingChoice, notes: string[]): Promise<TextForm> {
  const evidence = await evidenceOf(file);
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

function packedParquet(path: string): DataError {
  const report = { subject: `Opening ${path}`, expected: 'Parquet as it is', received: 'Parquet packed by gzip' };
  return new DataError({ ...report, remedy: 'unpack it first (gunzip): it is compressed inside' });
}

function unknownEnding(path: string): ConfigurationError {
  return new ConfigurationError({
    subject: `Opening ${path}`,
    expected: `a file that ends in ${Object.keys(FORMATS).join(', ')}`,
    received: extname(path) === '' ? 'none of these' : extname(path),
    remedy: 'convert or rename the file',
  });
}
