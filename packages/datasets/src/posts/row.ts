import type { StoredFile } from '@drf/files';
import { RowError } from '../ledger.js';
import { NAMING, type ColumnNames, type FoundColumns, type PostKind } from './columns.js';
import { imageCell, type ImageCell } from './image-cell.js';
import type { LinePlace, TextForm } from './lines.js';
import { EMOTIONS } from '../folders/layouts.js';
import { SENTIMENTS } from '../label-rule.js';

/** A row of a file of posts as its reader gives it: cells by what they hold, or what was wrong with the row. */
export type RawRow =
  | {
      readonly line: number;
      readonly cells: Readonly<Record<string, unknown>>;
      readonly columns: FoundColumns;
      /** All cells of the row by the file's own names, those that mean nothing here too. */
      readonly own: Readonly<Record<string, unknown>>;
      /** What is worth knowing about how the row was read. */
      readonly note?: string;
      /** What the row is called in its file, and no other row there, where it has no id of its own. */
      readonly key?: string;
      /** The image of a row that says nothing of images, where a file is there. */
      readonly usualImage?: string;
    }
  | { readonly line: number; readonly error: RowError };

/** Consecutive rows of a file. */
export interface RowRange {
  /** Rows before them. */
  readonly row: number;
  readonly rows: number;
  /** Where the first of them begins, if that is known. */
  readonly place?: LinePlace;
}

export const ALL_ROWS: RowRange = { row: 0, rows: Infinity };

/** How rows of a file are read. */
export interface ReadOptions {
  /** Default `labeled`. */
  readonly kind?: PostKind;
  /** Which column holds what, where common names do not tell. */
  readonly named?: ColumnNames;
  /** Default UTF-8. */
  readonly form?: TextForm;
  /** Default all. */
  readonly range?: RowRange;
  /** Told what is worth knowing of the file once the rows are read. */
  readonly onNote?: (message: string) => void;
}

/** Reads rows of a file of posts; those that cannot be read come as errors, and the reading goes on. */
export type RowReader = (file: StoredFile, options?: ReadOptions) => AsyncIterable<RawRow>;

/** A row whose cells have the right types; content is not looked at yet. */
export interface PostRow {
  readonly id: string;
  readonly label: string;
  /** The label is this number of CLMLF's, whose name the whole file decides; see `codedNames`. */
  readonly code?: number;
  /** `null`: missing. */
  readonly text: string | null;
  /** A path or the image itself; `null`: missing. */
  readonly image: ImageCell;
  /** A path that counts where a file is there, and the row names no image. */
  readonly usualImage?: string;
  readonly split: string | null;
}

function badCell(subject: string, column: string, expected: string, received: unknown): RowError {
  const isEmpty = received === undefined || received === null || received === '';
  const shown = isEmpty ? 'nothing (it is empty)' : (JSON.stringify(received, shortened) ?? typeof received);
  const short = shown.length > 60 ? `${shown.slice(0, 57)}...` : shown;
  return new RowError('bad row', {
    subject: `${subject}, column ${column}`,
    expected,
    received: short,
    remedy: 'correct the row',
  });
}

/** A cell may hold megabytes, of which a message shows a few characters. */
function shortened(_: string, value: unknown): unknown {
  if (typeof value === 'bigint') return String(value);
  if (typeof value === 'string') return value.slice(0, 60);
  if (value instanceof Uint8Array) return `${value.length} bytes`;
  return Array.isArray(value) ? (value as readonly unknown[]).slice(0, 10) : value;
}

/** Whether a cell holds nothing; data frames store gaps in columns of numbers, and columns of gaps, as NaN. */
function isAbsent(value: unknown): value is null | undefined {
  return value === undefined || value === null || Number.isNaN(value);
}

/** A name such as an id or a label: text, a whole number, true or false. @returns `null` when the cell is absent or empty */
function nameCell(subject: string, column: string, value: unknown): string | null {
  if (isAbsent(value)) return null;
  if (
    typeof value === 'bigint' ||
    typeof value === 'boolean' ||
    (typeof value === 'number' && Number.isSafeInteger(value))
  )
    return String(value);
  if (typeof value !== 'string') throw badCell(subject, column, 'text or a whole number', value);
  return value.trim() === '' ? null : value.trim();
}

/**
 * A row's own id, or `null` where it has none that names one post: no cell, an empty one, a word for nothing (`nan`), or a
 * number that was rounded (doubles beyond 2^53 no longer have the digits of the id that they stood for).
 */
export function ownId(value: unknown): string | null {
  try {
    const id = nameCell('', 'id', value);
    return id === null || isAbsenceWord(id) ? null : id;
  } catch (error) {
    if (error instanceof RowError) return null;
    throw error;
  }
}

function textCell(subject: string, column: string, value: unknown): string | null {
  if (isAbsent(value)) return null;
  if (typeof value === 'string') return value;
  throw badCell(subject, column, 'text', value);
}

/** A label by name, or by CLMLF's code. */
function labelCell(
  subject: string,
  cells: Readonly<Record<string, unknown>>,
  present: readonly string[],
): Pick<PostRow, 'label' | 'code'> {
  const label = nameCell(subject, 'label', cells.label);
  if (label !== null) return { label };
  const written = nameCell(subject, 'emotion_label', cells.emotion_label);
  if (written === null) throw noLabel(subject, cells, present);
  const code = Number(written);
  if (Number.isInteger(code) && code >= 0 && code <= HIGHEST_CODE) return { label: written, code };
  const expected = 'a code: 0 (positive), 1 (neutral) or 2 (negative), or in TumEmo 0 (angry) to 6 (sad)';
  throw badCell(subject, 'emotion_label', expected, cells.emotion_label);
}

function noLabel(subject: string, cells: Readonly<Record<string, unknown>>, present: readonly string[]): RowError {
  const isEmpty = 'label' in cells || 'emotion_label' in cells;
  return new RowError('missing label', {
    subject: `${subject}, column label`,
    expected: 'a class name',
    received: isEmpty ? 'nothing (it is empty)' : `nothing; columns are "${present.join('", "')}"`,
    remedy: isEmpty ? 'fill it in' : `correct the row, or say which column is which (${NAMING.labeled})`,
  });
}

/**
 * Checks the types of a row's cells.
 * @param subject the row, for errors ("posts.csv, line 7")
 * @param present names of the row's columns, for errors
 * @throws RowError "posts.csv, line 7, column label expected a class name, received nothing; correct the row"
 */
export function parsePostRow(
  subject: string,
  cells: Readonly<Record<string, unknown>>,
  present: readonly string[] = Object.keys(cells),
): PostRow {
  const id = nameCell(subject, 'id', cells.id);
  if (id === null) throw badCell(subject, 'id', 'an id', cells.id);
  return {
    id,
    ...labelCell(subject, cells, present),
    text: textCell(subject, 'text', cells.text),
    image: imageCell(subject, cells.image),
    split: nameCell(subject, 'split', cells.split),
  };
}

/** The parts of a row that judging needs; the rest of it may be anything. */
export type UnlabeledRow = Pick<PostRow, 'text' | 'image'> & {
  /** `null`: the row names none. */
  readonly id: string | null;
};

/** Checks the types of a row's cells, of a post whose label is not known. @throws RowError as {@link parsePostRow} */
export function parseUnlabeledRow(subject: string, cells: Readonly<Record<string, unknown>>): UnlabeledRow {
  return { id: ownId(cells.id), text: textCell(subject, 'text', cells.text), image: imageCell(subject, cells.image) };
}

/** What programs write into a cell that holds nothing (data frames, databases, spreadsheets); in lower case. */
const ABSENCE_WORDS = new Set([
  'null', 'nan', '-nan', 'none', 'nil', 'na', 'n/a', 'n.a.', '<na>', '#n/a', '#na', 'nat', 'undefined', '(null)', '\\n', '-',
]); // prettier-ignore

/** Whether a cell's content is a word for nothing, such as `nan`, `None`, `NULL` or `N/A`. */
export function isAbsenceWord(cell: string): boolean {
  return ABSENCE_WORDS.has(cell.trim().toLowerCase());
}

/** Highest code that a label has. */
const HIGHEST_CODE = EMOTIONS.length - 1;

/**
 * What the codes of CLMLF's `emotion_label` stand for: MVSA's sentiments (0 positive, 1 neutral, 2 negative), or in
 * splits of TumEmo its emotions in alphabetical order (0 angry to 6 sad).
 * @param codes all of a file
 * @param classes of the data set that they are about, where it is known; they decide, else the highest code does
 */
export function codedNames(codes: Iterable<number>, classes: readonly string[] = []): readonly string[] {
  for (const names of [SENTIMENTS, EMOTIONS]) if (names.some((name) => classes.includes(name))) return names;
  for (const code of codes) if (code >= SENTIMENTS.length) return EMOTIONS;
  return SENTIMENTS;
}
