import type { RgbImage } from '@drf/tensor';
import { RowError } from '../ledger.js';
import { rowContent, type ContentChecks, type RowContent } from './row-content.js';
import type { Table } from './reader.js';
import { ALL_ROWS, parseUnlabeledRow, type RawRow, type RowRange } from './row.js';

/** A post whose label is not known, read and decoded; at least one of text and image is there. */
export interface UnlabeledPost {
  readonly text: string | null;
  readonly image: RgbImage | null;
}

/** A row of the input, in its order: a post, or why there is none. */
export type UnlabeledResult = {
  /** 1-based place in the input. */
  readonly row: number;
  /** The row's own id; without one, its place ("posts.csv, line 7"), or the name of the files in a folder. */
  readonly id: string;
} & (
  | {
      readonly post: UnlabeledPost;
      /** Where the row stands in its file: a line, or a row where there are no lines; null in a folder. */
      readonly line: number | null;
      /** All that a table says of the row, by its own names; of a folder's post, its files. */
      readonly own: Readonly<Record<string, unknown>>;
      /** As `postHash`. */
      readonly hash: string;
      /** As `Dataset.contentHash`, by which feature caches know a content; null where it is missing. */
      readonly contentHashes: { readonly image: string | null; readonly text: string | null };
    }
  | { readonly error: RowError }
);

/** A row before its content is read. */
export interface LocatedRow {
  readonly row: number;
  readonly id: string;
  /** For errors. */
  readonly place: string;
  readonly line: number | null;
  readonly own: Readonly<Record<string, unknown>>;
  /** @throws RowError when text or image cannot be had */
  readonly content: () => Promise<RowContent>;
}

/**
 * Rows of a table of posts.
 * @param prefix stands before the names that rows have in their file, where there are several files
 * @throws DataError when it has neither a column of texts nor one of images
 */
export async function* tableRows(
  table: Table,
  checks: ContentChecks,
  range: RowRange = ALL_ROWS,
  prefix = '',
): AsyncGenerator<LocatedRow | UnlabeledResult> {
  const noted = new Set<string>();
  let { row } = range;
  for await (const raw of table.rows(range, (message) =>
    checks.note(`${table.file.path}: ${message}`, table.file.path),
  )) {
    const place = table.placeOf(raw.line);
    if ('note' in raw && raw.note !== undefined && !noted.has(raw.note)) {
      noted.add(raw.note);
      checks.note(`${place}, and perhaps others: ${raw.note}`, place);
    }
    yield tableRow(place, raw, ++row, checks, prefix);
  }
}

function tableRow(
  place: string,
  raw: RawRow,
  row: number,
  checks: ContentChecks,
  prefix: string,
): LocatedRow | UnlabeledResult {
  if ('error' in raw) return { row, id: place, error: raw.error };
  try {
    const { id, text, image } = parseUnlabeledRow(place, raw.cells);
    const named = id ?? (raw.key === undefined ? place : `${prefix}${raw.key}`);
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
