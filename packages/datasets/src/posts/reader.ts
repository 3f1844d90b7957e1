import { basename, extname } from 'node:path';
import { ConfigurationError } from '@drf/tensor';
import { readCsv } from './csv.js';
import { readJsonArray } from './json-array.js';
import { readJsonLines } from './json-lines.js';
import { readParquet } from './parquet.js';
import type { RowReader } from './row.js';

const READERS: Readonly<Record<string, RowReader>> = {
  '.jsonl': readJsonLines,
  '.ndjson': readJsonLines,
  '.csv': readCsv,
  '.tsv': readCsv,
  '.parquet': readParquet,
  '.json': readJsonArray,
};

/** The reader for a file, by its ending. @throws ConfigurationError when the ending is none of those known */
export function readerOf(file: string): RowReader {
  const reader = READERS[extname(file).toLowerCase()];
  if (reader !== undefined) return reader;
  throw new ConfigurationError({
    subject: `Opening ${file}`,
    expected: `a file that ends in ${Object.keys(READERS).join(', ')}`,
    received: extname(file) === '' ? 'none of these' : extname(file),
    remedy: 'convert or rename the file',
  });
}

/** Where a row stands, for messages: "posts.csv, line 7", or "posts.parquet, row 7" where there are no lines. */
export function placeOf(file: string, line: number): string {
  const hasLines = !['.parquet', '.json'].includes(extname(file).toLowerCase());
  return `${basename(file)}, ${hasLines ? 'line' : 'row'} ${line}`;
}
