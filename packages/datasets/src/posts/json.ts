import { readBounded, type StoredFile } from '@drf/files';
import { DataError, refuser } from '@drf/tensor';
import { messageOf, RowError } from '../ledger.js';
import { cellsByRole, findColumns, type ColumnNames, type FoundColumns, type PostKind } from './columns.js';
import { PLAIN_TEXT, readLines, type Line, type LinePlace, type TextForm } from './lines.js';
import { ALL_ROWS, type RawRow, type ReadOptions } from './row.js';
import { decodeStrictly } from '../text-decoder.js';

/** An image of 64 MiB in base64, the largest that is taken by default, and the row around it. */
const MAXIMUM_LINE_BYTES = 96 * 1024 * 1024;

/**
 * Reads JSON Lines: one object a line. Blank lines are skipped; a wrong line comes as an error with its number. Where the
 * place of a range's first row is known, nothing before that is read.
 */
export async function* readJsonLines(
  file: StoredFile,
  { kind = 'labeled', named = {}, form = PLAIN_TEXT, range: { row, rows, place } = ALL_ROWS }: ReadOptions = {},
): AsyncGenerator<RawRow> {
  let count = place === undefined ? 0 : row;
  if (rows === 0) return;
  for await (const line of readLines(file, MAXIMUM_LINE_BYTES, form, place)) {
    if (isBlank(line)) continue;
    if (count++ < row) continue;
    try {
      const cells = parseLine(`${file.path}, line ${line.number}`, line, kind);
      yield { line: line.number, ...rolesOf(cells, named) };
    } catch (error) {
      if (!(error instanceof RowError)) throw error;
      yield { line: line.number, error };
    }
    if (count === row + rows) return;
  }
}

/**
 * Where every so many rows of JSON Lines begin, and how many there are; of UTF-16, which has no such places, only the
 * count. Nothing is parsed.
 * @param every rows from one place to the next
 */
export async function jsonLinePlaces(
  file: StoredFile,
  form: TextForm,
  every: number,
): Promise<{ readonly rows: number; readonly places: readonly LinePlace[] }> {
  const places: LinePlace[] = [];
  let rows = 0;
  for await (const line of readLines(file, MAXIMUM_LINE_BYTES, form)) {
    if (!isBlank(line) && rows++ % every === 0) places.push({ byte: line.byte, line: line.number - 1 });
  }
  return { rows, places: form.encoding.startsWith('utf-16') ? [] : places };
}

function isBlank({ error, text }: Line): boolean {
  return error === null && text.trim() === '';
}

function parseLine(subject: string, line: Line, kind: PostKind): Record<string, unknown> {
  if (line.error !== null) throw line.error;
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
export async function readExactJson(path: string): Promise<unknown> {
  return exactJson(path, await readBounded(path, MAXIMUM_BYTES), PLAIN_TEXT);
}

function exactJson(name: string, bytes: Uint8Array, { encoding }: TextForm): unknown {
  const text = decodeStrictly(`Reading ${name}`, bytes, encoding);
  try {
    return parseJson(text);
  } catch (cause) {
    const received = messageOf(cause);
    throw refuser(DataError, `Reading ${name}`)('valid JSON', received, 'repair or remake the file', cause);
  }
}

/** All bytes of a file. @throws DataError (code "too-large") where they are more than can be parsed at once */
async function wholeFile(file: StoredFile): Promise<Uint8Array> {
  const pieces: Uint8Array[] = [];
  let size = 0;
  for await (const piece of file.stream()) {
    size += piece.length;
    if (size > MAXIMUM_BYTES) {
      throw new DataError({
        subject: `Reading ${file.name}`,
        expected: `at most ${MAXIMUM_BYTES} bytes`,
        received: 'more',
        remedy: 'use JSON Lines or Parquet, which are read piece by piece',
        code: 'too-large',
      });
    }
    pieces.push(piece);
  }
  return Buffer.concat(pieces);
}

/**
 * Reads a JSON array of posts, such as a published split file: `{id, text, label}`, or CLMLF's
 * `{id, text, emotion_label}`. Where a row has no key for an image, `data/{id}.jpg` may be its image. Rows count from 1.
 * The whole file is parsed, whatever rows are asked for.
 */
export async function* readJsonArray(
  file: StoredFile,
  { kind = 'labeled', named = {}, form = PLAIN_TEXT, range: { row, rows } = ALL_ROWS }: ReadOptions = {},
): AsyncGenerator<RawRow> {
  const values = exactJson(file.name, await wholeFile(file), form);
  if (!Array.isArray(values)) {
    throw new DataError({
      subject: `Reading ${file.name}`,
      expected: 'a JSON array of posts {id, text, label}',
      received: values === null ? 'null' : typeof values,
      remedy: 'name a published split file, or use JSON Lines, CSV or Parquet',
    });
  }
  for (const [index, value] of values.slice(row, row + rows).entries()) {
    const line = row + index + 1;
    try {
      const found = rolesOf(asCells(`${file.path}, row ${line}`, value, kind), named);
      yield { line, ...found, ...usualImage(found.cells) };
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
