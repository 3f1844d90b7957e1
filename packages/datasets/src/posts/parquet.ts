import {
  parquetMetadataAsync,
  parquetReadObjects,
  parquetSchema,
  type AsyncBuffer,
  type FileMetaData,
  type RowGroup,
  type SchemaElement,
} from 'hyparquet';
import { compressors } from 'hyparquet-compressors';
import type { StoredFile } from '@drf/files';
import { DataError, isDrfError } from '@drf/tensor';
import { messageOf, RowError } from '../ledger.js';
import { decodeText } from '../text-decoder.js';
import { cellsByRole, checkHeader, type ColumnNames, type FoundColumns, type PostKind } from './columns.js';
import { ALL_ROWS, type RawRow, type ReadOptions } from './row.js';

/** Columns of a file of Parquet that are read, and what they hold. */
interface OpenedParquet {
  readonly buffer: AsyncBuffer;
  readonly metadata: FileMetaData;
  readonly found: FoundColumns;
  readonly columns: readonly string[];
}

/** Reads the footer alone. @throws DataError as {@link readParquet} */
async function openParquet(file: StoredFile, kind: PostKind, named: ColumnNames): Promise<OpenedParquet> {
  const buffer = asyncBuffer(file);
  const metadata = await parquetMetadataAsync(buffer).catch((cause: unknown) => refuse(file.name, cause));
  const { children } = parquetSchema(metadata);
  const present = children.map((column) => column.element.name);
  const found = checkHeader(file.name, present, kind, named);
  const plain = kind === 'labeled' ? [] : children.filter(({ element }) => isPlain(element)).map(({ element }) => element.name); // prettier-ignore
  const columns = [...new Set([...found.holds.keys(), ...plain])];
  for (const [index, group] of metadata.row_groups.entries()) assertReadable(file.name, index, group, columns);
  return { buffer, metadata, found, columns };
}

/**
 * Reads Parquet, one row group at a time: of posts to learn from only the columns that matter, of posts to judge all that
 * hold plain values. Rows count from 1.
 * @throws DataError when the file is no whole Parquet file, lacks a column, or has a row group that is too large
 */
export async function* readParquet(
  file: StoredFile,
  { kind = 'labeled', named = {}, range = ALL_ROWS }: ReadOptions = {},
): AsyncGenerator<RawRow> {
  const { buffer, metadata, found, columns } = await openParquet(file, kind, named);
  let groupStart = 0;
  for (const group of metadata.row_groups) {
    const groupEnd = groupStart + Number(group.num_rows);
    const rowEnd = Math.min(groupEnd, range.row + range.rows);
    const step = rowsAtOnce(group, columns);
    let line = Math.max(groupStart, range.row);
    while (line < rowEnd) {
      const part = { rowStart: line, rowEnd: Math.min(line + step, rowEnd) };
      const useOffsetIndex = part.rowStart > groupStart || part.rowEnd < groupEnd;
      const options = { file: buffer, metadata, columns: [...columns], compressors, useOffsetIndex, utf8: false, ...part }; // prettier-ignore
      const rows = await parquetReadObjects(options).catch((cause: unknown) =>
        refuse(`${file.path}, rows ${line + 1} to ${part.rowEnd}`, cause),
      );
      for (const cells of rows) {
        line++;
        try {
          const place = `${file.path}, row ${line}`;
          const texts = withTexts(place, cellsByRole(cells, found));
          yield { line, cells: texts, columns: found, own: { ...cells, ...byColumn(texts, found) } };
        } catch (error) {
          if (!(error instanceof RowError)) throw error;
          yield { line, error };
        }
      }
    }
    groupStart = groupEnd;
  }
}

/** How many rows each row group has, by the footer alone. @throws DataError as {@link readParquet} */
export async function parquetGroups(file: StoredFile, named: ColumnNames): Promise<readonly number[]> {
  const { metadata } = await openParquet(file, 'unlabeled', named);
  return metadata.row_groups.map((group) => Number(group.num_rows));
}

/** Ranges of a file that are read side by side. */
const READS_AT_ONCE = 8;

/** A file as hyparquet reads it: range by range, a few at a time. */
function asyncBuffer(file: StoredFile): AsyncBuffer {
  const waiting: (() => void)[] = [];
  let free = READS_AT_ONCE;
  return {
    byteLength: file.bytes,
    slice: async (start, end = file.bytes) => {
      if (free > 0) free--;
      else await new Promise<void>((resolve) => waiting.push(resolve));
      try {
        const { buffer, byteOffset, length } = await file.read(start, end);
        const isWhole = byteOffset === 0 && length === buffer.byteLength && buffer instanceof ArrayBuffer;
        return isWhole ? buffer : new Uint8Array(buffer, byteOffset, length).slice().buffer;
      } finally {
        const next = waiting.shift();
        if (next === undefined) free++;
        else next();
      }
    },
  };
}

/** Bytes that are read at a time of a row group that says where its pages lie. */
const BYTES_AT_ONCE = 64 * 1024 * 1024;

/** Uncompressed, in the columns that are read, of a row group that does not say where its pages lie. */
const LARGEST_GROUP_BYTES = 1024 * 1024 * 1024;

/** Bytes of a row group in the columns that are read: those that can be read in parts, as an index says where their pages lie. */
function sizeOf(group: RowGroup, columns: readonly string[]): { readonly indexed: number; readonly whole: number } {
  let [indexed, whole] = [0, 0];
  for (const { meta_data: data, offset_index_offset: index } of group.columns) {
    if (!columns.includes(data?.path_in_schema[0] ?? '')) continue;
    const bytes = Number(data?.total_uncompressed_size ?? 0);
    if (index === undefined) whole += bytes;
    else indexed += bytes;
  }
  return { indexed, whole };
}

function assertReadable(name: string, index: number, group: RowGroup, columns: readonly string[]): void {
  const { whole } = sizeOf(group, columns);
  if (whole <= LARGEST_GROUP_BYTES) return;
  throw new DataError({
    subject: `Reading ${name}`,
    expected: `row groups of at most ${LARGEST_GROUP_BYTES} bytes, or an index of their pages`,
    received: `${whole} bytes in row group ${index + 1} of ${Number(group.num_rows)} rows`,
    remedy: 'write it with smaller row groups (row_group_size), or with write_page_index=True',
    code: 'too-large',
  });
}

/** Rows to read at a time: all of a group, unless it is large (as with images inside) and has an index of its pages. */
function rowsAtOnce(group: RowGroup, columns: readonly string[]): number {
  const rows = Number(group.num_rows);
  const { indexed } = sizeOf(group, columns);
  return indexed > BYTES_AT_ONCE ? Math.max(1, Math.floor((rows * BYTES_AT_ONCE) / indexed)) : rows;
}

/** Bytes that are not marked as text are text in all columns but that of images. @throws RowError when they are not UTF-8 */
function withTexts(place: string, cells: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  const asText = ([role, value]: [string, unknown]): [string, unknown] =>
    value instanceof Uint8Array && role !== 'image' ? [role, decodeText(place, value, 'utf-8')] : [role, value];
  return Object.fromEntries(Object.entries(cells).map(asText));
}

/** Texts by the names of their columns again. */
function byColumn(
  texts: Readonly<Record<string, unknown>>,
  { holds }: FoundColumns,
): Readonly<Record<string, unknown>> {
  return Object.fromEntries(
    [...holds].flatMap(([name, role]) => (role === 'image' ? [] : [[name, texts[role] ?? null]])),
  );
}

/** A column of numbers, texts, dates or truth values, not of bytes or of further columns. */
function isPlain({ type, converted_type: converted, logical_type: logical }: SchemaElement): boolean {
  if (type === undefined) return false;
  if (type !== 'BYTE_ARRAY' && type !== 'FIXED_LEN_BYTE_ARRAY') return true;
  return converted !== undefined || logical !== undefined;
}

function refuse(subject: string, cause: unknown): never {
  if (isDrfError(cause)) throw cause; // of the storage, not of what it holds
  throw new DataError(
    {
      subject: `Reading ${subject}`,
      expected: 'a whole Parquet file',
      received: messageOf(cause),
      remedy: 'write the file again',
    },
    { cause },
  );
}
