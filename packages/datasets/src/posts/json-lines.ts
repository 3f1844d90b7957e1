import { basename } from 'node:path';
import { messageOf, RowError } from '../row-error.js';
import { decodeText } from '../text-decoder.js';
import { cellsByRole, findColumns, type ColumnNames, type FoundColumns } from './columns.js';
import { readLines } from './lines.js';
import type { PostKind } from './header.js';
import type { RawRow } from './row.js';

const MAXIMUM_LINE_BYTES = 4 * 1024 * 1024;

/** Reads JSON Lines: one object a line. Blank lines are skipped; a wrong line comes as an error with its number. */
export async function* readJsonLines(
  path: string,
  kind: PostKind = 'labeled',
  named: ColumnNames = {},
): AsyncGenerator<RawRow> {
  for await (const { number, bytes } of readLines(path, MAXIMUM_LINE_BYTES)) {
    const subject = `${basename(path)}, line ${number}`;
    try {
      const cells = parseLine(subject, bytes, kind);
      if (cells !== null) yield { line: number, ...rolesOf(cells, named) };
    } catch (error) {
      if (!(error instanceof RowError)) throw error;
      yield { line: number, error };
    }
  }
}

function parseLine(subject: string, bytes: Buffer | null, kind: PostKind): Record<string, unknown> | null {
  if (bytes === null) throw badLine(subject, kind, `a line of more than ${MAXIMUM_LINE_BYTES} bytes`);
  const text = decodeText(subject, bytes, 'utf-8');
  if (text === '') return null;
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw badLine(subject, kind, messageOf(cause), cause);
  }
  return asCells(subject, value, kind);
}

/** A row's cells by what they hold. Rows of a file may have other columns each. */
export function rolesOf(
  cells: Readonly<Record<string, unknown>>,
  named: ColumnNames,
): { cells: Readonly<Record<string, unknown>>; columns: FoundColumns; own: Readonly<Record<string, unknown>> } {
  const columns = findColumns(Object.keys(cells), named);
  return { cells: cellsByRole(cells, columns), columns, own: cells };
}

/** @throws RowError unless the value is an object */
export function asCells(subject: string, value: unknown, kind: PostKind = 'labeled'): Record<string, unknown> {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  throw badLine(subject, kind, Array.isArray(value) ? 'an array' : JSON.stringify(value));
}

function badLine(subject: string, kind: PostKind, received: string, cause?: unknown): RowError {
  const columns = kind === 'labeled' ? 'label, and text or image' : 'text or image';
  const report = { subject, expected: `a JSON object with ${columns}`, received };
  return new RowError('bad row', { ...report, remedy: 'correct or remove the line' }, { cause });
}
