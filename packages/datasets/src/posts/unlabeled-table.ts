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
    const named = id ?? place;
    const own = typeof image === 'string' || image === null ? raw.own : withoutImage(raw);
    return { row, id: named, place, line: raw.line, own, content: () => rowContent(place, { id: named, text, image }, checks) }; // prettier-ignore
  } catch (error) {
    if (error instanceof RowError) return { row, id: place, error };
    throw error;
  }
}

/** An image that stands in the table itself is not handed on with the row's other cells. */
function withoutImage({ own, columns }: Extract<RawRow, { readonly own: unknown }>): Readonly<Record<string, unknown>> {
  return Object.fromEntries(Object.entries(own).filter(([name]) => columns.holds.get(name) !== 'image'));
}
