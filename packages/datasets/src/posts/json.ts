import { basename } from 'node:path';
import { readBounded } from '@drf/files';
import { DataError, refuser } from '@drf/tensor';
import { messageOf, RowError } from '../ledger.js';
import { cellsByRole, findColumns, type ColumnNames, type FoundColumns, type PostKind } from './columns.js';
import { PLAIN_TEXT, readLines, type Line, type TextForm } from './lines.js';
import type { RawRow } from './row.js';
import { decodeStrictly } from '../text-decoder.js';

/** An image of 64 MiB in base64, the largest that is taken by default, and the row around it. */
const MAXIMUM_LINE_BYTES = 96 * 1024 * 1024;

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
function rolesOf(
  cells: Readonly<Record<string, unknown>>,
  named: ColumnNames,
): { cells: Readonly<Record<string, unknown>>; columns: FoundColumns; own: Readonly<Record<string, unknown>> } {
  const columns = findColumns(Object.keys(cells), named);
  return { cells: cellsByRole(cells, columns), columns, own: cells };
}

/** @throws RowError unless the value is an object */
function asCells(subject: string, value: unknown, kind: PostKind = 'labeled'): Record<string, unknown> {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  throw badLine(subject, kind, Array.isArray(value) ? 'an array' : JSON.stringify(value));
}

function badLine(subject: string, kind: PostKind, received: string, cause?: unknown): RowError {
  const columns = kind === 'labeled' ? 'label, and text or image' : 'text or image';
  const report = { subject, expected: `a JSON object with ${columns}`, received };
  return new RowError('bad row', { ...report, remedy: 'correct or remove the line' }, { cause });
}

const MAXIMUM_BYTES = 512 * 1024 * 1024;

/** Reads a JSON file, whole numbers with all their digits. @throws DataError naming the file and what is wrong with it */
export async function readExactJson(path: string, { encoding }: TextForm = PLAIN_TEXT): Promise<unknown> {
  const text = decodeStrictly(`Reading ${path}`, await readBounded(path, MAXIMUM_BYTES), encoding);
  try {
    return parseJson(text);
  } catch (cause) {
    const received = messageOf(cause);
    throw refuser(DataError, `Reading ${path}`)('valid JSON', received, 'repair or remake the file', cause);
  }
}

/**
 * Reads a JSON array of posts, such as a published split file: `{id, text, label}`, or CLMLF's
 * `{id, text, emotion_label}`. Where a row has no key for an image, `data/{id}.jpg` may be its image. Rows count from 1.
 */
export async function* readJsonArray(
  path: string,
  kind: PostKind = 'labeled',
  named: ColumnNames = {},
  form: TextForm = PLAIN_TEXT,
): AsyncGenerator<RawRow> {
  const values = await readExactJson(path, form);
  if (!Array.isArray(values)) {
    throw new DataError({
      subject: `Reading ${path}`,
      expected: 'a JSON array of posts {id, text, label}',
      received: values === null ? 'null' : typeof values,
      remedy: 'name a published split file, or use JSON Lines, CSV or Parquet',
    });
  }
  for (const [index, value] of values.entries()) {
    const line = index + 1;
    try {
      const row = rolesOf(asCells(`${basename(path)}, row ${line}`, value, kind), named);
      yield { line, ...row, ...usualImage(row.cells) };
    } catch (error) {
      if (!(error instanceof RowError)) throw error;
      yield { line, error };
    }
  }
}

/** Where the image of a published split's post lies, if it lies anywhere. */
function usualImage(cells: Readonly<Record<string, unknown>>): { readonly usualImage?: string } {
  const { id } = cells;
  if ('image' in cells || (typeof id !== 'string' && typeof id !== 'number') || id === '') return {};
  return { usualImage: `data/${String(id)}.jpg` };
}

/** Strings and numbers of JSON, as they are written. */
const TOKENS = /"[^"\\]*(?:\\.[^"\\]*)*"|-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?|-?\b(?:NaN|Infinity)\b/gs;

/**
 * Parses JSON; whole numbers that a double cannot hold (ids of tweets) come as text of their own digits. `NaN` and
 * `Infinity`, which are no JSON but which Python writes, come as `null`.
 * @throws SyntaxError for anything else that is not JSON
 */
export function parseJson(text: string): unknown {
  const hasDigits = /\d{16}/.test(text);
  if (hasDigits || /NaN|Infinity/.test(text)) return JSON.parse(text.replace(TOKENS, exactToken));
  return JSON.parse(text);
}

function exactToken(token: string): string {
  if (token.startsWith('"')) return token;
  if (/^-?(NaN|Infinity)$/.test(token)) return 'null';
  const isWhole = /^-?(0|[1-9]\d*)$/.test(token);
  return isWhole && !Number.isSafeInteger(Number(token)) ? `"${token}"` : token;
}
