import { basename } from 'node:path';
import { asyncBufferFromFile, parquetMetadataAsync, parquetReadObjects, parquetSchema } from 'hyparquet';
import { compressors } from 'hyparquet-compressors';
import { DataError } from '@drf/tensor';
import { messageOf } from '../row-error.js';
import { checkHeader, type PostKind } from './header.js';
import { cellsByRole, type ColumnNames } from './columns.js';
import type { RawRow } from './row.js';

/**
 * Reads Parquet, one row group at a time and only the columns that matter. Rows count from 1.
 * @throws DataError when the file is no whole Parquet file, or lacks a column
 */
export async function* readParquet(
  path: string,
  kind: PostKind = 'labeled',
  named: ColumnNames = {},
): AsyncGenerator<RawRow> {
  const file = await asyncBufferFromFile(path);
  const metadata = await parquetMetadataAsync(file).catch((cause: unknown) => refuse(path, cause));
  const present = parquetSchema(metadata).children.map((column) => column.element.name);
  const found = checkHeader(path, present, kind, named);
  const columns = [...found.holds.keys()];
  let line = 0;
  for (const group of metadata.row_groups) {
    const rowEnd = line + Number(group.num_rows);
    const rows = await parquetReadObjects({ file, metadata, columns, compressors, rowStart: line, rowEnd }).catch(
      (cause: unknown) => refuse(`${basename(path)}, rows ${line + 1} to ${rowEnd}`, cause),
    );
    for (const cells of rows) yield { line: ++line, cells: cellsByRole(cells, found), columns: found };
  }
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
