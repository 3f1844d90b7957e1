import { rename, rm } from 'node:fs/promises';
import { extname } from 'node:path';
import { fileWriter, ParquetWriter, type SchemaElement } from 'hyparquet-writer';
import type { SplitName } from '@drf/datasets';
import { RejectedRows, StreamedFile } from '@drf/files';
import { ConfigurationError, refuser } from '@drf/tensor';
import { formatCsv, type CsvOptions } from '@drf/terminal';
import {
  flatCells,
  flatColumns,
  type FlatCell,
  type FlatColumns,
  type PredictionRow,
  type RejectedRow,
} from './prediction-row.js';
import { isRejected, spooledRows, type SpooledRow } from './spool.js';

/** Formats of the output, by the ending of its name. */
const OUTPUT_FORMATS = ['.jsonl', '.csv', '.parquet'] as const;
export type OutputFormat = (typeof OUTPUT_FORMATS)[number];

/** @throws ConfigurationError when the ending is none of these */
export function outputFormat(path: string): OutputFormat {
  const ending = extname(path).toLowerCase();
  const format = OUTPUT_FORMATS.find((known) => known === ending);
  if (format !== undefined) return format;
  const expected = `a file that ends in ${OUTPUT_FORMATS.join(', ')}`;
  throw refuser(ConfigurationError, '--out')(expected, path, 'choose one of these endings');
}

/** What a job gave. */
export interface JobCounts {
  readonly judged: number;
  readonly rejected: number;
  /** Judged posts by class. */
  readonly labels: Readonly<Record<string, number>>;
  readonly unfamiliar: number;
  /** Judged posts that the run knows, by its split. */
  readonly seen: Readonly<Record<SplitName, number>>;
}

/** Counts a job's rows. */
export class Counter {
  private readonly labels: Record<string, number>;
  private readonly seen = { train: 0, val: 0, test: 0 };
  private readonly rows = { judged: 0, rejected: 0, unfamiliar: 0 };

  constructor(classes: readonly string[]) {
    this.labels = Object.fromEntries(classes.map((name) => [name, 0]));
  }

  get counts(): JobCounts {
    return { ...this.rows, labels: this.labels, seen: this.seen };
  }

  add(row: SpooledRow): void {
    if (isRejected(row)) {
      this.rows.rejected++;
      return;
    }
    this.rows.judged++;
    this.rows.unfamiliar += row.unfamiliar === true ? 1 : 0;
    if (row.seen !== null) this.seen[row.seen]++;
    this.labels[row.label] = (this.labels[row.label] ?? 0) + 1;
  }
}

/** A file that gets rows, under a temporary name until it is whole. */
interface RowWriter {
  write(row: PredictionRow): Promise<void>;
  end(): Promise<void>;
}

/**
 * Turns a job's spooled rows into its output, row by row: predictions in the format of the output's ending, and the
 * rows that could not be judged into a side file beside it, if there are any. Both appear whole or not at all.
 */
export async function finishOutput(
  out: string,
  format: OutputFormat,
  classes: readonly string[],
  csv?: CsvOptions,
): Promise<JobCounts> {
  const temporary = `${out}.temporary`;
  await rm(temporary, { force: true }); // of a killed program; or a link
  const rejected = await RejectedRows.create(out);
  const columns = flatColumns(classes, format === '.jsonl' ? [] : await inputColumns(out));
  const predictions = rowWriter(temporary, format, classes, columns, csv);
  const counter = new Counter(classes);
  for await (const row of spooledRows(out)) {
    counter.add(row);
    if (isRejected(row)) await rejected.add(row);
    else await predictions.write(row);
  }
  const { counts } = counter;
  await predictions.end();
  await rejected.end();
  await rename(temporary, out); // last: where there is an output, all of it is there
  return counts;
}

/** All columns that any row of the input has, in the order in which they come: rows of JSON Lines may differ. */
async function inputColumns(out: string): Promise<Set<string>> {
  const names = new Set<string>();
  for await (const row of spooledRows(out)) {
    if (!isRejected(row)) for (const name of Object.keys(row.input)) names.add(name);
  }
  return names;
}

export function jsonLine(row: PredictionRow | RejectedRow): string {
  return `${JSON.stringify(row)}\n`;
}

function rowWriter(
  path: string,
  format: OutputFormat,
  classes: readonly string[],
  columns: FlatColumns,
  csv?: CsvOptions,
): RowWriter {
  if (format === '.parquet') return new ParquetRows(path, classes, columns);
  const file = new StreamedFile(path);
  if (format === '.jsonl') return { write: (row) => file.write(jsonLine(row)), end: () => file.end() };
  let head: readonly string[] | null = columns.names;
  const take = (): string => {
    const text = head === null ? '' : formatCsv(head, [], csv);
    head = null;
    return text;
  };
  return {
    write: (row) => file.write(take() + csvLine(row, classes, columns, csv)),
    end: async () => {
      await file.write(take());
      await file.end();
    },
  };
}

/** A row as a line of CSV, its end included. */
export function csvLine(
  row: PredictionRow,
  classes: readonly string[],
  columns: FlatColumns,
  csv?: CsvOptions,
): string {
  return formatCsv(
    flatCells(row, classes, columns).map((cell) => String(cell ?? '')),
    [],
    csv,
  );
}

/** Rows of a row group: what is held in memory at once. */
const GROUP_ROWS = 20_000;

/** Parquet in row groups of bounded size; every column but row, id and label may be null. */
class ParquetRows implements RowWriter {
  private readonly writer: ParquetWriter;
  private readonly schema: SchemaElement[];
  private waiting: (readonly FlatCell[])[] = [];

  constructor(
    path: string,
    private readonly classes: readonly string[],
    private readonly columns: FlatColumns,
  ) {
    const elements = columns.names.map((name) => (columns.own.has(name) ? textElement(name) : schemaOf(name)));
    this.schema = [{ name: 'root', num_children: elements.length }, ...elements];
    this.writer = new ParquetWriter({ writer: fileWriter(path), schema: this.schema });
  }

  async write(row: PredictionRow): Promise<void> {
    const { own, names } = this.columns;
    const cells = flatCells(row, this.classes, this.columns);
    this.waiting.push(cells.map((cell, i) => (cell !== null && own.has(names[i] as string) ? String(cell) : cell)));
    if (this.waiting.length >= GROUP_ROWS) await this.flush();
  }

  async end(): Promise<void> {
    await this.flush();
    await this.writer.finish();
  }

  private async flush(): Promise<void> {
    const rows = this.waiting;
    this.waiting = [];
    if (rows.length === 0) return;
    const columnData = this.schema
      .slice(1)
      .map(({ name }, column) => ({ name, data: rows.map((row) => row[column] ?? null) }));
    await this.writer.write({ columnData, rowGroupSize: GROUP_ROWS });
  }
}

/** The input's own columns are texts: rows of one may hold values of several types. */
function textElement(name: string): SchemaElement {
  return { name, type: 'BYTE_ARRAY', converted_type: 'UTF8', repetition_type: 'OPTIONAL' };
}

function schemaOf(name: string): SchemaElement {
  if (name === 'row') return { name, type: 'INT32', repetition_type: 'REQUIRED' };
  if (name === 'id' || name === 'label') {
    return { name, type: 'BYTE_ARRAY', converted_type: 'UTF8', repetition_type: 'REQUIRED' };
  }
  if (name === 'line') return { name, type: 'INT32', repetition_type: 'OPTIONAL' };
  if (name === 'recovered' || name === 'seen') return textElement(name);
  if (name === 'unfamiliar') return { name, type: 'BOOLEAN', repetition_type: 'OPTIONAL' };
  return { name, type: 'DOUBLE', repetition_type: 'OPTIONAL' };
}
