import { basename } from 'node:path';
import {
  asyncBufferFromFile,
  parquetMetadataAsync,
  parquetReadObjects,
  parquetSchema,
  type SchemaElement,
} from 'hyparquet';
import { compressors } from 'hyparquet-compressors';
import { DataError } from '@drf/tensor';
import { messageOf } from '../row-error.js';
import { checkHeader, type PostKind } from './header.js';
import { cellsByRole, type ColumnNames } from './columns.js';
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
    const rows = await parquetReadObjects({ file, metadata, columns, compressors, rowStart: line, rowEnd }).catch(
      (cause: unknown) => refuse(`${basename(path)}, rows ${line + 1} to ${rowEnd}`, cause),
    );
    for (const own of rows) yield { line: ++line, cells: cellsByRole(own, found), columns: found, own };
  }
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
