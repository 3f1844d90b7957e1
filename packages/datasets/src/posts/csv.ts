import type { StoredFile } from '@drf/files';
import { RowError } from '../ledger.js';
import { cellsByRole, checkHeader, type ColumnNames, type FoundColumns } from './columns.js';
import { CsvRecords, MAXIMUM_RECORD_BYTES, type CsvRecord } from './csv-records.js';
import { namedSeparator, sniffDelimiter } from './csv-line.js';
import { PLAIN_TEXT, readLines, type Line, type LinePlace, type TextForm } from './lines.js';
import { ALL_ROWS, type RawRow, type ReadOptions } from './row.js';

const DOUBTS = {
  'quote as it stands': 'a quote that does not close before a separator, read as it stands',
  'lines like rows': 'a cell over several lines, though these have as many cells as a row; if they are rows, double the quotes in cells',
} as const; // prettier-ignore

/**
 * Reads CSV (RFC 4180) whose first row names the columns; they are separated by commas, semicolons, tabs or vertical bars,
 * as the header is, or as a line `sep=;` before it says. An empty cell is an absent one. Every line is part of a row that
 * is given, or of an error ({@link CsvRecords}).
 * Where the place of a range's first row is known, the rows between it and those that tell what rows are like are not read.
 * @throws DataError when the header lacks a column, RowError when it cannot be decoded
 */
export async function* readCsv(file: StoredFile, options: ReadOptions = {}): AsyncGenerator<RawRow> {
  for await (const [record, columns] of recordsOf(file, options)) {
    yield rowOf(`${file.path}, line ${record.line}`, record, columns);
  }
}

/**
 * Where every so many rows of CSV begin, and how many there are; of UTF-16, which has no such places, only the count.
 * @param every rows from one place to the next
 */
export async function csvPlaces(
  file: StoredFile,
  named: ColumnNames,
  form: TextForm,
  every: number,
): Promise<{ readonly rows: number; readonly places: readonly LinePlace[] }> {
  const places: LinePlace[] = [];
  let rows = 0;
  for await (const [{ line, byte }] of recordsOf(file, { kind: 'unlabeled', named, form })) {
    if (rows++ % every === 0) places.push({ byte, line: line - 1 });
  }
  return { rows, places: form.encoding.startsWith('utf-16') ? [] : places };
}

async function* recordsOf(
  file: StoredFile,
  { kind = 'labeled', named = {}, form = PLAIN_TEXT, range: { row, rows, place } = ALL_ROWS }: ReadOptions,
): AsyncGenerator<readonly [CsvRecord, FoundColumns]> {
  let lines = readLines(file, MAXIMUM_RECORD_BYTES, form);
  try {
    const { separator, head } = await separatorOf(file.path, lines);
    let records = new CsvRecords(lines, separator, head);
    const header = await records.next();
    if (header?.error != null) throw header.error;
    const present = (header?.cells ?? []).map((name) => name.trim());
    const columns = checkHeader(file.name, present, kind, named);
    const textColumn = present.findIndex((name) => columns.holds.get(name) === 'text');
    records.expect(present.length, textColumn);
    for (let count = 0; count < row + rows; count++) {
      if (place !== undefined && count < row && records.isSettled) {
        await lines.return(undefined);
        lines = readLines(file, MAXIMUM_RECORD_BYTES, form, place);
        records = records.goOn(lines);
        count = row;
      }
      const record = await records.next();
      if (record === null) return;
      if (count >= row) yield [record, columns];
    }
  } finally {
    await lines.return(undefined);
  }
}

/** Lines that a header may have. */
const MAXIMUM_HEADER_LINES = 20;

/**
 * What separates cells, by the header, whose cells may hold line ends, and the lines that were read to know; a line that
 * says so (`sep=;`) is no row.
 */
async function separatorOf(
  path: string,
  lines: AsyncGenerator<Line>,
): Promise<{ readonly separator: string; readonly head: readonly Line[] }> {
  const head: Line[] = [];
  let text = '';
  do {
    const { value: line } = (await lines.next()) as IteratorResult<Line, undefined>;
    if (line === undefined) break;
    const said = head.length === 0 ? namedSeparator(line.text) : null;
    if (said !== null) return { separator: said, head };
    head.push(line);
    text += line.text;
  } while ((text === '' || text.split('"').length % 2 === 0) && head.length < MAXIMUM_HEADER_LINES);
  return { separator: sniffDelimiter(path, text), head };
}

function rowOf(subject: string, { cells, line, doubt, error }: CsvRecord, columns: FoundColumns): RawRow {
  const header = columns.present;
  if (error !== null) return { line, error };
  const isLonger = cells.length > header.length && cells.slice(header.length).every((cell) => cell.trim() === '');
  if (cells.length !== header.length && !isLonger) {
    const expected = `${header.length} cells, as in the header`;
    const remedy = 'put quotes around cells that hold separators or line breaks, and double quotes inside them';
    return { line, error: new RowError('bad row', { subject, expected, received: `${cells.length} cells`, remedy }) };
  }
  const own = Object.fromEntries(header.map((name, column) => [name, cells[column] === '' ? null : cells[column]]));
  const row = { line, cells: cellsByRole(own, columns), columns, own };
  return doubt === null ? row : { ...row, note: DOUBTS[doubt] };
}
