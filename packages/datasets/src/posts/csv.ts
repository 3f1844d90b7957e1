import { createReadStream } from 'node:fs';
import { basename } from 'node:path';
import { parse, type CsvError, type Parser } from 'csv-parse';
import { RowError } from '../row-error.js';
import { decodeText } from '../text-decoder.js';
import { cellsByRole, type ColumnNames, type FoundColumns } from './columns.js';
import { sniffDelimiter } from './delimiter.js';
import { checkHeader, type PostKind } from './header.js';
import type { RawRow } from './row.js';

/** A record may not be longer: an unclosed quote would otherwise swallow the rest of any file. */
const MAXIMUM_RECORD_BYTES = 32 * 1024 * 1024;

interface CsvRecord {
  readonly record: readonly Buffer[];
  readonly info: { readonly lines: number; readonly bytes: number };
}

/** Cells come as bytes, so that their encoding is checked; wrong column counts come through and are reported here. */
function createParser(delimiter: string): Parser {
  return parse({
    delimiter,
    encoding: null,
    info: true,
    record_delimiter: ['\r\n', '\n'],
    relax_column_count: true,
    relax_quotes: true,
    skip_empty_lines: true,
    skip_records_with_error: true,
  });
}

/**
 * Reads CSV (RFC 4180, UTF-8) whose first row names the columns; they are separated by commas, semicolons, tabs or
 * vertical bars, as the header is. An empty cell is an absent one.
 * @throws DataError when the header lacks a column, or the file is in UTF-16
 */
export async function* readCsv(
  path: string,
  kind: PostKind = 'labeled',
  named: ColumnNames = {},
): AsyncGenerator<RawRow> {
  const state = { columns: null as FoundColumns | null, lastLine: 0 };
  for await (const item of readRecords(path)) {
    const line = state.lastLine + 1; // where the record starts; quoted cells may span lines
    state.lastLine = item.lines;
    const subject = `${basename(path)}, line ${line}`;
    try {
      if (item.cells === null) throw unclosed(subject, item.trouble);
      const cells = item.cells.map((cell) => decodeText(subject, cell, 'utf-8'));
      if (state.columns === null) state.columns = checkHeader(path, cells, kind, named);
      else {
        const own = nameCells(subject, state.columns, cells);
        yield { line, cells: cellsByRole(own, state.columns), columns: state.columns, own };
      }
    } catch (error) {
      if (!(error instanceof RowError)) throw error;
      yield { line, error };
    }
  }
  if (state.columns === null) checkHeader(path, [], kind, named);
}

type RecordOrTrouble =
  | { readonly cells: readonly Buffer[]; readonly lines: number }
  | { readonly cells: null; readonly trouble: string; readonly lines: number };

/** Feeds the file to the parser piece by piece and takes the records out after each. */
async function* readRecords(path: string): AsyncGenerator<RecordOrTrouble> {
  const troubles: RecordOrTrouble[] = [];
  const start = (head: Buffer): Parser => {
    const created = createParser(sniffDelimiter(path, head));
    created.on('skip', (error: CsvError) => {
      troubles.push({ cells: null, trouble: error.message, lines: created.info.lines });
    });
    return created;
  };
  let parser: Parser | undefined;
  let fed = 0;
  let taken = 0;
  for await (const chunk of createReadStream(path) as AsyncIterable<Buffer>) {
    parser ??= start(chunk);
    parser.write(fed === 0 ? withoutByteOrderMark(chunk) : chunk);
    fed += chunk.length;
    for (const { record, info } of takeRecords(parser)) {
      taken = info.bytes;
      yield { cells: record, lines: info.lines };
    }
    if (fed - taken > MAXIMUM_RECORD_BYTES) {
      const trouble = `a record of more than ${MAXIMUM_RECORD_BYTES} bytes`;
      yield { cells: null, trouble, lines: parser.info.lines };
      return;
    }
  }
  if (parser === undefined) return;
  parser.end();
  for (const { record, info } of takeRecords(parser)) yield { cells: record, lines: info.lines };
  yield* troubles;
}

/** The parser's own option for this does not work with cells as bytes. */
function withoutByteOrderMark(chunk: Buffer): Buffer {
  return chunk.subarray(0, 3).equals(Buffer.from([0xef, 0xbb, 0xbf])) ? chunk.subarray(3) : chunk;
}

function* takeRecords(parser: Parser): Generator<CsvRecord> {
  for (let item = parser.read() as CsvRecord | null; item !== null; item = parser.read() as CsvRecord | null) {
    yield item;
  }
}

function nameCells(
  subject: string,
  columns: FoundColumns,
  cells: readonly string[],
): Readonly<Record<string, unknown>> {
  const header = columns.present;
  if (cells.length !== header.length) {
    const expected = `${header.length} cells, as in the header`;
    const remedy = 'put quotes around cells that hold separators or line breaks';
    throw new RowError('bad row', { subject, expected, received: `${cells.length} cells`, remedy });
  }
  return Object.fromEntries(
    header.map((name, column) => [name, cells[column] === '' ? null : (cells[column] as string)]),
  );
}

function unclosed(subject: string, trouble: string): RowError {
  return new RowError('bad row', {
    subject: `${subject} to the end of the file`,
    expected: 'records whose quotes close',
    received: trouble,
    remedy: 'close the quote; nothing after this line was read',
  });
}
