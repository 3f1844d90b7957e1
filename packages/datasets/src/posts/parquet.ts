import { basename } from 'node:path';
import {
  asyncBufferFromFile,
  parquetMetadataAsync,
  parquetReadObjects,
  parquetSchema,
  type RowGroup,
  type SchemaElement,
} from 'hyparquet';
import { compressors } from 'hyparquet-compressors';
import { DataError } from '@drf/tensor';
import { messageOf, RowError } from '../ledger.js';
import { decodeText } from '../text-decoder.js';
import { cellsByRole, checkHeader, type ColumnNames, type FoundColumns, type PostKind } from './columns.js';
import type { RawRow } from './row.js';

/**
 * Reads Parquet, one row group at a time: of posts to learn from only the columns that matter, of posts to judge all that
 * hold plain values. Rows count from 1.
 * @throws DataError when the file is no whole Parquet file, or lacks a column
 */
export async function* readParquet(
  path: string,
  kind: PostKind = 'labeled',
  named: ColumnNames = {},
): AsyncGenerator<RawRow> {
  const file = await asyncBufferFromFile(path);
  const metadata = await parquetMetadataAsync(file).catch((cause: unknown) => refuse(path, cause));
  const { children } = parquetSchema(metadata);
  const present = children.map((column) => column.element.name);
  const found = checkHeader(path, present, kind, named);
  const plain = kind === 'labeled' ? [] : children.filter(({ element }) => isPlain(element)).map(({ element }) => element.name); // prettier-ignore
  const columns = [...new Set([...found.holds.keys(), ...plain])];
  let line = 0;
  for (const group of metadata.row_groups) {
    const rowEnd = line + Number(group.num_rows);
    const step = rowsAtOnce(group, columns);
    while (line < rowEnd) {
      const range = { rowStart: line, rowEnd: Math.min(line + step, rowEnd) };
      const options = {
        file,
        metadata,
        columns,
        compressors,
        useOffsetIndex: step < rowEnd - line,
        utf8: false,
        ...range,
      };
      const rows = await parquetReadObjects(options).catch((cause: unknown) =>
        refuse(`${basename(path)}, rows ${line + 1} to ${range.rowEnd}`, cause),
      );
      for (const cells of rows) {
        line++;
        try {
          const place = `${basename(path)}, row ${line}`;
          const texts = withTexts(place, cellsByRole(cells, found));
          yield { line, cells: texts, columns: found, own: { ...cells, ...byColumn(texts, found) } };
        } catch (error) {
          if (!(error instanceof RowError)) throw error;
          yield { line, error };
        }
      }
    }
  }
}

/** Bytes that are read at a time of a row group that says where its pages lie. */
const BYTES_AT_ONCE = 64 * 1024 * 1024;

/** Rows to read at a time: all of a group, unless it is large (as with images inside) and has an index of its pages. */
function rowsAtOnce(group: RowGroup, columns: readonly string[]): number {
  const rows = Number(group.num_rows);
  const chunks = group.columns.filter(({ meta_data: data }) => columns.includes(data?.path_in_schema[0] ?? ''));
  const bytes = chunks.reduce((sum, { meta_data: data }) => sum + Number(data?.total_uncompressed_size ?? 0), 0);
  const isIndexed = chunks.every((chunk) => chunk.offset_index_offset !== undefined);
  return isIndexed && bytes > BYTES_AT_ONCE ? Math.max(1, Math.floor((rows * BYTES_AT_ONCE) / bytes)) : rows;
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
