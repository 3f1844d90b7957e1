import { stat } from 'node:fs/promises';
import { relative } from 'node:path';
import { resolveInside } from '@drf/files';
import { DataError } from '@drf/tensor';
import type { ContentSource, PostRecord } from '../dataset.js';
import { RowError } from '../row-error.js';
import { FileSource, InlineText } from '../source.js';
import type { PostRow } from './row.js';

/** A row that passed every check, before the class names are known. */
export interface CheckedRow extends Omit<PostRecord, 'label'> {
  readonly label: string;
}

export interface RowChecks {
  /** Folder that image paths are relative to; an absolute path without links. */
  readonly root: string;
  /** Split of rows that name none. */
  readonly split: string | null;
  readonly classes: readonly string[] | undefined;
  readonly maximumImageBytes: number;
  readonly maximumTextBytes: number;
  /** Told what is worth knowing about a row that is kept. */
  readonly note: (message: string, id: string) => void;
}

/**
 * Checks a row against the class names and the file system, and makes its record.
 * @param place the row, for errors
 * @throws RowError when the label is unknown, the image is missing, empty or outside the root, or both are absent
 */
export async function checkRow(place: string, row: PostRow, checks: RowChecks): Promise<CheckedRow> {
  checkLabel(place, row.label, checks.classes);
  const image = row.image === null ? null : await imageSource(place, row.image, checks);
  const text = textSource(place, row, checks);
  if (image === null && text === null) {
    const report = { subject: place, expected: 'text or an image, or both', received: 'neither' };
    throw new RowError(row.text === null ? 'missing image and text' : 'empty text', {
      ...report,
      remedy: 'fill in one of them or remove the row',
    });
  }
  const split = row.split ?? checks.split;
  return { id: row.id, label: row.label, image, text, ...(split === null ? {} : { split }) };
}

function checkLabel(place: string, label: string, classes: readonly string[] | undefined): void {
  if (classes === undefined || classes.includes(label)) return;
  const report = {
    subject: `${place}, column label`,
    expected: `one of ${classes.join(', ')}`,
    received: `"${label}"`,
  };
  throw new RowError('bad row', { ...report, remedy: 'correct the label or name other classes' });
}

function textSource(place: string, row: PostRow, checks: RowChecks): ContentSource | null {
  const text = row.text?.trim() ?? null;
  if (text === null) return null;
  if (text === '') {
    if (row.image !== null) checks.note('empty text, taken as missing', row.id);
    return null;
  }
  const maximumBytes = checks.maximumTextBytes;
  const size = Buffer.byteLength(text);
  if (size <= maximumBytes) return new InlineText(text);
  const expected = `a text of at most ${maximumBytes} bytes`;
  throw new RowError('text too large', { subject: place, expected, received: `${size} bytes`, remedy: 'shorten it' });
}

async function imageSource(place: string, path: string, checks: RowChecks): Promise<ContentSource> {
  const { root, maximumImageBytes } = checks;
  const real = await resolveInside(root, path).catch((cause: unknown) => {
    if (!(cause instanceof DataError)) throw cause;
    throw new RowError('path outside the root', { ...cause.report, subject: `${place}, column image` }, { cause });
  });
  const size = await stat(real).then(
    (stats) => (stats.isFile() ? stats.size : -1),
    () => -1,
  );
  if (size > 0) return new FileSource(root, relative(root, real), maximumImageBytes);
  throw new RowError(size === 0 ? 'empty image file' : 'missing image', {
    subject: `${place}, column image`,
    expected: `an image file ${path} inside ${root}`,
    received: size === 0 ? '0 bytes' : 'nothing there',
    remedy: 'restore the file, correct the path, or name another root',
  });
}
