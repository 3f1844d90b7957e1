import { RowError } from '../row-error.js';
import type { ColumnNames } from './columns.js';
import { placeOf, readerOf } from './reader.js';
import { rowContent, type ContentChecks } from './row-content.js';
import { parseUnlabeledRow, type RawRow } from './row.js';
import type { LocatedRow, UnlabeledResult } from './unlabeled-row.js';

/** Rows of a table of posts. @throws DataError when it has neither a column of texts nor one of images */
export async function* tableRows(
  file: string,
  checks: ContentChecks,
  columns?: ColumnNames,
): AsyncGenerator<LocatedRow | UnlabeledResult> {
  let row = 0;
  for await (const raw of readerOf(file)(file, 'unlabeled', columns)) yield tableRow(file, raw, ++row, checks);
}

function tableRow(file: string, raw: RawRow, row: number, checks: ContentChecks): LocatedRow | UnlabeledResult {
  const place = placeOf(file, raw.line);
  if ('error' in raw) return { row, id: place, error: raw.error };
  try {
    const { id, text, image } = parseUnlabeledRow(place, raw.cells);
    const own = id ?? place;
    return { row, id: own, place, line: raw.line, own: raw.own, content: () => rowContent(place, { id: own, text, image }, checks) }; // prettier-ignore
  } catch (error) {
    if (error instanceof RowError) return { row, id: place, error };
    throw error;
  }
}
