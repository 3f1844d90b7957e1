import type { PostRecord } from '../dataset.js';
import { RowError } from '../row-error.js';
import { codedNames } from './coded-labels.js';
import { rowContent, type ContentChecks } from './row-content.js';
import type { PostRow } from './row.js';

/** A row that passed every check, before the class names are known. */
export interface CheckedRow extends Omit<PostRecord, 'label'> {
  readonly label: string;
  /** As in {@link PostRow}; the label is the number until all rows are known. */
  readonly code?: number;
}

export interface RowChecks extends ContentChecks {
  /** Split of rows that name none. */
  readonly split: string | null;
  readonly classes: readonly string[] | undefined;
}

/**
 * Checks a row against the class names and the file system, and makes its record.
 * @param place the row, for errors
 * @throws RowError when the label is unknown, the image is missing, empty or outside the root, or both are absent
 */
export async function checkRow(place: string, row: PostRow, checks: RowChecks): Promise<CheckedRow> {
  const { code } = row;
  const label = code === undefined ? row.label : (codedNames([code], checks.classes)[code] ?? row.label);
  checkLabel(place, label, checks.classes);
  const content = await rowContent(place, row, checks);
  const split = row.split ?? checks.split;
  return {
    id: row.id,
    label: row.label,
    ...(code === undefined ? {} : { code }),
    ...content,
    ...(split === null ? {} : { split }),
  };
}

function checkLabel(place: string, label: string, classes: readonly string[] | undefined): void {
  if (classes === undefined || classes.includes(label) || classes.includes(plainNumber(label))) return;
  const report = {
    subject: `${place}, column label`,
    expected: `one of ${classes.join(', ')}`,
    received: `"${label}"`,
  };
  throw new RowError('bad row', { ...report, remedy: 'correct the label or name other classes' });
}

/** A whole number without the `.0` that columns of decimals give it; any other label as it is. */
export function plainNumber(label: string): string {
  return /^[-+]?\d+\.0+$/.test(label) ? label.slice(0, label.indexOf('.')) : label;
}
