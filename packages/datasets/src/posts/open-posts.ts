import { stat } from 'node:fs/promises';
import { basename, dirname, extname, resolve } from 'node:path';
import { isObjectLocation } from '@drf/storage';
import { mapAhead, DataError, refuser } from '@drf/tensor';
import { ContentDataset } from '../content-dataset.js';
import type { Dataset, PostRecord } from '../dataset.js';
import { SENTIMENTS } from '../label-rule.js';
import { Ledger, RowError, type DroppedRow } from '../ledger.js';
import type { ContentOptions } from '../options.js';
import { ALL_ROWS, codedNames, isAbsenceWord, ownId, parsePostRow, type RawRow } from './row.js';
import { checkRow, plainNumber, type CheckedRow, type RowChecks } from './row-content.js';
import { describeColumns, type ColumnNames } from './columns.js';
import { ImageSpool } from './image-cell.js';
import { openRoot } from './content-root.js';
import { openNamedFile } from './named-file.js';
import { openTable, type Table } from './reader.js';

export interface PostsOptions extends ContentOptions {
  readonly files: readonly string[];
  readonly root: string | undefined;
  readonly classes: readonly string[] | undefined;
  readonly columns: ColumnNames;
}

/**
 * Opens posts of one's own. Rows that cannot be used are listed in the ledger with their line; the rest is kept.
 * @throws DataError when a file is missing or lacks a column
 */
export async function openPosts(options: PostsOptions): Promise<Dataset> {
  const ledger = new Ledger(options.files.map((file) => (isObjectLocation(file) ? file : resolve(file))).join(', '));
  const stems = fileStems(options.files);
  const spool = new ImageSpool();
  const files: FileRows[] = [];
  for (const [index, file] of options.files.entries())
    files.push(await readFile(file, stems[index] as string, options, spool));
  nameByFile(files, ledger);
  for (const { name, notes, dropped, kept } of files) {
    for (const { message, id } of notes) ledger.note(message, id);
    for (const row of dropped) ledger.drop(row);
    if (kept.length > 0) continue;
    ledger.warn(`${name}: ${dropped.length === 0 ? 'it has no rows' : `none of its ${dropped.length} rows is used`}`);
  }
  return assemble(
    files.flatMap(({ kept }) => kept),
    options,
    ledger,
  );
}

/** What a file's rows came to, before all files are known. */
interface FileRows {
  readonly name: string;
  /** The name without its ending; with a number where an earlier file has the same. */
  readonly stem: string;
  /** Ids that the file itself gives. */
  readonly ownIds: Set<string>;
  kept: CheckedRow[];
  dropped: DroppedRow[];
  notes: { readonly message: string; readonly id?: string }[];
}

async function readFile(file: string, stem: string, options: PostsOptions, spool: ImageSpool): Promise<FileRows> {
  const rows: FileRows = { name: basename(file), stem, ownIds: new Set(), kept: [], dropped: [], notes: [] };
  const checks = await checksFor(file, options, spool);
  const reading = { kind: 'labeled', columns: options.columns, encoding: options.encoding } as const;
  const table = await openTable(await openNamedFile(file), reading);
  for (const note of table.notes) rows.notes.push({ message: `${rows.name}: ${note}` });
  const places = new Map<string, string>();
  const check = (raw: NotedRow): Promise<CheckResult> => checkRawRow(file, table, raw, checks);
  const prefix = options.files.length > 1 ? `${stem}-` : '';
  for await (const result of mapAhead(rawRows(table, rows, prefix), 32, check)) {
    const error = 'error' in result ? result.error : twice(table.placeOf(result.line), result.id, places);
    const { id, line } = result;
    if (error !== null) rows.dropped.push({ id, line, reason: error.reason, detail: error.message });
    else if ('row' in result) {
      rows.kept.push(result.row);
      for (const message of result.notes) rows.notes.push({ message, id });
    }
  }
  return rows;
}

/** The name of a file without its ending: `train` of `data/train.csv.gz`. */
function stemOf(file: string): string {
  const name = basename(file).replace(/\.gz$/i, '');
  return basename(name, extname(name));
}

/** Names of files without their endings, each once: of two files named alike the second gets a number. */
function fileStems(files: readonly string[]): readonly string[] {
  const counts = new Map<string, number>();
  return files.map((file) => {
    const stem = stemOf(file);
    const count = (counts.get(stem) ?? 0) + 1;
    counts.set(stem, count);
    return count === 1 ? stem : `${stem}-${count}`;
  });
}

/**
 * Ids that occur in several files (which each count from 0, as data frames do) are told apart by the file's name in front,
 * then all of them. Rows that are not used and notes are named likewise.
 */
function nameByFile(files: FileRows[], ledger: Ledger): void {
  const first = new Map<string, FileRows>();
  const shared = new Map<FileRows, number>();
  for (const file of files) {
    for (const { id } of file.kept) {
      if (!first.has(id)) first.set(id, file);
      else shared.set(file, (shared.get(file) ?? 0) + 1);
    }
  }
  if (shared.size === 0) return;
  for (const [file, count] of shared) {
    ledger.note(
      `${file.name}: ${count} of its ids occur in an earlier file, too; all ids have their file's name in front (${file.stem}-${file.kept[0]?.id ?? '1'})`,
    );
  }
  for (const file of files) {
    const rename = <Row extends { readonly id?: string }>(row: Row): Row =>
      row.id !== undefined && file.ownIds.has(row.id) ? { ...row, id: `${file.stem}-${row.id}` } : row;
    file.kept = file.kept.map(rename);
    file.dropped = file.dropped.map(rename);
    file.notes = file.notes.map(rename);
  }
}

type CheckResult = { readonly line: number; readonly id: string } & (
  { readonly row: CheckedRow; readonly notes: readonly string[] } | { readonly error: RowError }
);

/** A row and what is worth knowing of it if it is kept. */
interface NotedRow {
  readonly raw: RawRow;
  readonly notes: readonly string[];
}

/** The error of a row whose id an earlier row has, or `null`. */
function twice(place: string, id: string, places: Map<string, string>): RowError | null {
  const earlier = places.get(id);
  if (earlier === undefined) {
    places.set(id, place);
    return null;
  }
  const received = `"${id}" again, as in ${earlier}`;
  const remedy = 'remove one of the rows';
  return new RowError('duplicate id', { subject: place, expected: 'each id once', received, remedy });
}

/**
 * The reader's rows. How columns were taken is noted, and those that are not used ("splt"), which would otherwise vanish
 * without a word. Where a file has no column of ids, rows are numbered from 1 (with the file's name, if there are more);
 * a row without an id of its own in a file of ids is `row-7`.
 */
async function* rawRows(table: Table, { name, notes, ownIds }: FileRows, prefix: string): AsyncGenerator<NotedRow> {
  const noted = new Set<string>();
  const note = (message: string | undefined): void => {
    if (message !== undefined && !noted.has(message)) notes.push({ message: `${name}: ${message}` });
    if (message !== undefined) noted.add(message);
  };
  let isNumbered: boolean | undefined;
  let row = 0;
  for await (const raw of table.rows(ALL_ROWS, note)) {
    row++;
    if ('error' in raw) {
      yield { raw, notes: [] };
      continue;
    }
    const { cells, columns } = raw;
    note(describeColumns(columns));
    for (const unused of columns.unused) note(`column "${unused}" is not used`);
    isNumbered ??= !('id' in cells) && raw.key === undefined;
    const own = ownId(cells.id) ?? raw.key ?? null;
    const id = own ?? (isNumbered ? `${prefix}${row}` : `${prefix}row-${row}`);
    if (own !== null) ownIds.add(own);
    const ofRow = [
      ...(own === null && !isNumbered ? [`${idTrouble(cells.id)}; named by the row`] : []),
      raw.note ?? [],
    ];
    yield { raw: { ...raw, cells: { ...cells, id } }, notes: ofRow.flat().map((message) => `${name}: ${message}`) };
  }
  if (isNumbered === true) note('no column of ids; rows are numbered');
}

function idTrouble(cell: unknown): string {
  const isRounded = typeof cell === 'number' && Math.abs(cell) > Number.MAX_SAFE_INTEGER;
  return isRounded ? 'an id that was rounded when it was stored as a decimal' : 'no id that can be used';
}

/** @throws DataError when the file or the root is missing */
async function checksFor(file: string, options: PostsOptions, spool: ImageSpool): Promise<Omit<RowChecks, 'note'>> {
  const stats = isObjectLocation(file) ? undefined : await stat(file).catch(() => undefined);
  if (!isObjectLocation(file) && stats?.isFile() !== true) {
    const received = stats === undefined ? 'nothing there' : 'a folder or device';
    throw refuser(DataError, `Opening ${file}`)('a file of posts', received, 'check the path');
  }
  const root = options.root ?? (isObjectLocation(file) ? file.slice(0, file.lastIndexOf('/')) : dirname(file));
  if (!isObjectLocation(root) && (await stat(root).catch(() => undefined))?.isDirectory() !== true) {
    const report = { subject: `Opening ${file}`, expected: `a folder of images ${root}`, received: 'no such folder' };
    throw new DataError({ ...report, remedy: 'check the root folder that you named' });
  }
  return {
    ...options,
    root: await openRoot(root),
    split: options.files.length > 1 ? stemOf(file) : null,
    classes: options.classes,
    keepImage: (bytes, description) => spool.keep(bytes, description),
  };
}

async function checkRawRow(
  file: string,
  table: Table,
  { raw, notes: given }: NotedRow,
  checks: Omit<RowChecks, 'note'>,
): Promise<CheckResult> {
  const { line } = raw;
  const unknown = `${basename(file)} line ${line}`;
  if ('error' in raw) return { line, id: unknown, error: raw.error };
  const place = table.placeOf(line);
  try {
    const { usualImage } = raw;
    const row = { ...parsePostRow(place, raw.cells, raw.columns.present), usualImage };
    const notes = [...given];
    const checked = await checkRow(place, row, { ...checks, note: (message) => void notes.push(message) });
    return { line, id: row.id, row: { ...checked, line }, notes };
  } catch (error) {
    return { line, id: ownId(raw.cells.id) ?? unknown, error: asRowError(place, error) };
  }
}

function asRowError(place: string, error: unknown): RowError {
  if (error instanceof RowError) return error;
  if (!(error instanceof DataError)) throw error;
  return new RowError('unreadable file', { ...error.report, subject: place }, { cause: error });
}

function assemble(rows: readonly CheckedRow[], options: PostsOptions, ledger: Ledger): Dataset {
  const labels = namedCodes(rows, options.classes, ledger) ?? commonLabels(rows, options.classes, ledger);
  const classes = options.classes ?? classesOf(labels, options.files);
  const records = rows.map(({ id, image, text, split, line }, index): PostRecord => {
    const label = classes.indexOf(labels[index] as string);
    return {
      id,
      label,
      image,
      text,
      ...(split === undefined ? {} : { split }),
      ...(line === undefined ? {} : { line }),
    };
  });
  ledger.keep(records.length);
  return new ContentDataset({ name: 'posts', classes, records, ledger, decoding: options.decoding, encoding: 'utf-8' });
}

/** Labels by row, where some are CLMLF's codes: by their names, of which the ledger gets a note. */
function namedCodes(
  rows: readonly CheckedRow[],
  classes: readonly string[] | undefined,
  ledger: Ledger,
): readonly string[] | undefined {
  const codes = new Set(rows.flatMap(({ code }) => code ?? []));
  if (codes.size === 0) return undefined;
  const names = codedNames(codes, classes);
  ledger.note(`emotion_label: ${names.map((name, code) => `${code} is ${name}`).join(', ')}`);
  return rows.map(({ code, label }) => (code === undefined ? label : (names[code] ?? label)));
}

/** Labels by row. Where all are whole numbers, or words for nothing, `1.0` (which columns of decimals make of 1) is `1`. */
function commonLabels(
  rows: readonly CheckedRow[],
  classes: readonly string[] | undefined,
  ledger: Ledger,
): readonly string[] {
  const labels = rows.map(({ label }) => label);
  if (classes !== undefined) return labels.map((label) => (classes.includes(label) ? label : plainNumber(label)));
  const areWhole = labels.every((label) => /^[-+]?\d+$/.test(plainNumber(label)) || isAbsenceWord(label));
  const plain = areWhole ? labels.map(plainNumber) : labels;
  const example = labels.find((label, index) => label !== plain[index]);
  if (example !== undefined) ledger.note(`labels are whole numbers; "${example}" is read as "${plainNumber(example)}"`);
  return plain;
}

/** Whole numbers by size, everything else by code units. */
function byName(a: string, b: string): number {
  const areNumbers = [a, b].every((name) => /^-?\d{1,15}$/.test(name));
  if (areNumbers && Number(a) !== Number(b)) return Number(a) - Number(b);
  return a < b ? -1 : Number(a > b);
}

/** Labels that occur, sorted; published split files keep MVSA's order, so that they fit a model trained on MVSA. */
function classesOf(rowLabels: readonly string[], files: readonly string[]): readonly string[] {
  const labels = [...new Set(rowLabels)].sort(byName);
  const published = files.every((file) => extname(file).toLowerCase() === '.json');
  return published && labels.every((label) => (SENTIMENTS as readonly string[]).includes(label)) ? SENTIMENTS : labels;
}
