import { basename } from 'node:path';
import { messageOf, RowError } from '../row-error.js';
import { cellsByRole, findColumns, type ColumnNames, type FoundColumns } from './columns.js';
import { PLAIN_TEXT, readLines, type Line, type TextForm } from './lines.js';
import type { PostKind } from './header.js';
import { parseJson } from './parse-json.js';
import type { RawRow } from './row.js';

const MAXIMUM_LINE_BYTES = 4 * 1024 * 1024;

/** Reads JSON Lines: one object a line. Blank lines are skipped; a wrong line comes as an error with its number. */
export async function* readJsonLines(
  path: string,
  kind: PostKind = 'labeled',
  named: ColumnNames = {},
  form: TextForm = PLAIN_TEXT,
): AsyncGenerator<RawRow> {
  const subjectOf = (line: number): string => `${basename(path)}, line ${line}`;
  for await (const line of readLines(path, MAXIMUM_LINE_BYTES, form, subjectOf)) {
    try {
      const cells = parseLine(subjectOf(line.number), line, kind);
      if (cells !== null) yield { line: line.number, ...rolesOf(cells, named) };
    } catch (error) {
      if (!(error instanceof RowError)) throw error;
      yield { line: line.number, error };
    }
  }
}

function parseLine(subject: string, line: Line, kind: PostKind): Record<string, unknown> | null {
  if (line.error !== null) throw line.error;
  if (line.text.trim() === '') return null;
  let value: unknown;
  try {
    value = parseJson(line.text);
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
