import { createReadStream } from 'node:fs';
import { basename, extname } from 'node:path';
import { parse, type CsvError, type Parser } from 'csv-parse';
import { RowError } from '../row-error.js';
import { decodeText } from '../text-decoder.js';
import { checkHeader, type PostKind } from './header.js';
import type { RawRow } from './row.js';

/** A record may not be longer: an unclosed quote would otherwise swallow the rest of any file. */
const MAXIMUM_RECORD_BYTES = 4 * 1024 * 1024;

interface CsvRecord {
  readonly record: readonly Buffer[];
  readonly info: { readonly lines: number; readonly bytes: number };
}

/** Cells come as bytes, so that their encoding is checked; wrong column counts come through and are reported here. */
function createParser(path: string): Parser {
  return parse({
    delimiter: extname(path).toLowerCase() === '.tsv' ? '\t' : ',',
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
 * Reads CSV (RFC 4180, UTF-8, comma; tab for `.tsv`) whose first row names the columns. An empty cell is an absent one.
 * @throws DataError when the header lacks a column
 */
export async function* readCsv(path: string, kind: PostKind = 'labeled'): AsyncGenerator<RawRow> {
  const state = { header: null as readonly string[] | null, lastLine: 0 };
  for await (const item of readRecords(path)) {
    const line = state.lastLine + 1; // where the record starts; quoted cells may span lines
    state.lastLine = item.lines;
    const subject = `${basename(path)}, line ${line}`;
    try {
      if (item.cells === null) throw unclosed(subject, item.trouble);
      const cells = item.cells.map((cell) => decodeText(subject, cell, 'utf-8'));
      if (state.header === null) checkHeader(path, (state.header = cells), kind);
      else yield { line, cells: nameCells(subject, state.header, cells) };
    } catch (error) {
      if (!(error instanceof RowError)) throw error;
      yield { line, error };
    }
  }
  if (state.header === null) checkHeader(path, [], kind);
}

type RecordOrTrouble =
  | { readonly cells: readonly Buffer[]; readonly lines: number }
  | { readonly cells: null; readonly trouble: string; readonly lines: number };

/** Feeds the file to the parser piece by piece and takes the records out after each. */
async function* readRecords(path: string): AsyncGenerator<RecordOrTrouble> {
  const parser = createParser(path);
  const troubles: RecordOrTrouble[] = [];
  parser.on('skip', (error: CsvError) => {
    troubles.push({ cells: null, trouble: error.message, lines: parser.info.lines });
  });
  let fed = 0;
  let taken = 0;
  for await (const chunk of createReadStream(path) as AsyncIterable<Buffer>) {
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
  header: readonly string[],
  cells: readonly string[],
): Record<string, string | null> {
  if (cells.length !== header.length) {
    const expected = `${header.length} cells, as in the header`;
    const remedy = 'put quotes around cells that hold commas or line breaks';
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
