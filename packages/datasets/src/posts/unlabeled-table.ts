import { RowError } from '../row-error.js';
import type { Table } from './reader.js';
import { rowContent, type ContentChecks } from './row-content.js';
import { parseUnlabeledRow, type RawRow } from './row.js';
import type { LocatedRow, UnlabeledResult } from './unlabeled-row.js';

/** Rows of a table of posts. @throws DataError when it has neither a column of texts nor one of images */
export async function* tableRows(table: Table, checks: ContentChecks): AsyncGenerator<LocatedRow | UnlabeledResult> {
  const noted = new Set<string>();
  let row = 0;
  for await (const raw of table.rows()) {
    const place = table.placeOf(raw.line);
    if ('note' in raw && raw.note !== undefined && !noted.has(raw.note)) {
      noted.add(raw.note);
      checks.note(`${place}, and perhaps others: ${raw.note}`, place);
    }
    yield tableRow(place, raw, ++row, checks);
  }
}

function tableRow(place: string, raw: RawRow, row: number, checks: ContentChecks): LocatedRow | UnlabeledResult {
  if ('error' in raw) return { row, id: place, error: raw.error };
  try {
    const { id, text, image } = parseUnlabeledRow(place, raw.cells);
    const named = id ?? place;
    const own = typeof image === 'string' || image === null ? raw.own : withoutImage(raw);
    const content = { id: named, text, image, usualImage: raw.usualImage };
    return { row, id: named, place, line: raw.line, own, content: () => rowContent(place, content, checks) };
  } catch (error) {
    if (error instanceof RowError) return { row, id: place, error };
    throw error;
  }
}

/** An image that stands in the table itself is not handed on with the row's other cells. */
function withoutImage({ own, columns }: Extract<RawRow, { readonly own: unknown }>): Readonly<Record<string, unknown>> {
  return Object.fromEntries(Object.entries(own).filter(([name]) => columns.holds.get(name) !== 'image'));
}
