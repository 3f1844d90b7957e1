import { RowError } from '../row-error.js';
import type { Table } from './reader.js';
import { rowContent, type ContentChecks } from './row-content.js';
import { parseUnlabeledRow, type RawRow } from './row.js';
import type { LocatedRow, UnlabeledResult } from './unlabeled-row.js';

/** Rows of a table of posts. @throws DataError when it has neither a column of texts nor one of images */
export async function* tableRows(table: Table, checks: ContentChecks): AsyncGenerator<LocatedRow | UnlabeledResult> {
  let row = 0;
  for await (const raw of table.rows()) yield tableRow(table.placeOf(raw.line), raw, ++row, checks);
}

function tableRow(place: string, raw: RawRow, row: number, checks: ContentChecks): LocatedRow | UnlabeledResult {
  if ('error' in raw) return { row, id: place, error: raw.error };
  try {
    const { id, text, image } = parseUnlabeledRow(place, raw.cells);
    const own = id ?? place;
    const { usualImage } = raw;
    return { row, id: own, place, content: () => rowContent(place, { id: own, text, image, usualImage }, checks) };
  } catch (error) {
    if (error instanceof RowError) return { row, id: place, error };
    throw error;
  }
}
