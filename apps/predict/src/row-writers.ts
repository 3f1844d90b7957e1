import { fileWriter, ParquetWriter, type SchemaElement } from 'hyparquet-writer';
import { StreamedFile } from '@drf/files';
import { formatCsv, type CsvOptions } from '@drf/terminal';
import type { OutputFormat } from './flags.js';
import { flatCells, type FlatCell, type FlatColumns, type JudgedRow, type PredictionRow } from './prediction-row.js';

/** A new file that gets judged posts, one after the other. */
export interface RowWriter {
  write(row: PredictionRow): Promise<void>;
  end(): Promise<void>;
}

export function jsonLine(row: JudgedRow): string {
  return `${JSON.stringify(row)}\n`;
}

export function rowWriter(
  path: string,
  format: OutputFormat,
  classes: readonly string[],
  columns: FlatColumns,
  csv?: CsvOptions,
): RowWriter {
  if (format === 'parquet') return new ParquetRows(path, classes, columns);
  const file = new StreamedFile(path);
  if (format === 'jsonl') return { write: (row) => file.write(jsonLine(row)), end: () => file.end() };
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
  if (name === 'recovered' || name === 'seen' || name === 'file') return textElement(name);
  if (name === 'unfamiliar') return { name, type: 'BOOLEAN', repetition_type: 'OPTIONAL' };
  return { name, type: 'DOUBLE', repetition_type: 'OPTIONAL' };
}
