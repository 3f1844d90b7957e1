import { stat } from 'node:fs/promises';
import { basename, dirname, extname, resolve } from 'node:path';
import { resolveInside } from '@drf/files';
import { DataError } from '@drf/tensor';
import { ContentDataset } from '../content-dataset.js';
import type { Dataset, PostRecord } from '../dataset.js';
import { SENTIMENTS } from '../label-rule.js';
import { Ledger } from '../ledger.js';
import type { ContentOptions } from '../options.js';
import { mapAhead } from '../parallel.js';
import { RowError } from '../row-error.js';
import { codedNames } from './coded-labels.js';
import { checkRow, type CheckedRow, type RowChecks } from './check-row.js';
import { placeOf, readerOf } from './reader.js';
import { describeColumns, type ColumnNames } from './columns.js';
import { ImageSpool } from './image-spool.js';
import { NameVariants } from './name-variants.js';
import { parsePostRow, type RawRow } from './row.js';

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
  const ledger = new Ledger(options.files.map((file) => resolve(file)).join(', '));
  const kept = new Map<string, CheckedRow>();
  const places = new Map<string, string>();
  const spool = new ImageSpool();
  for (const file of options.files) {
    const checks = await checksFor(file, options, ledger, spool);
    const check = (raw: RawRow): Promise<CheckResult> => checkRawRow(file, raw, checks);
    let [rows, used] = [0, 0];
    for await (const result of mapAhead(rawRows(file, options, ledger), 32, check)) {
      rows++;
      const error = 'error' in result ? result.error : twice(placeOf(file, result.line), result.id, places);
      if (error !== null) drop(ledger, result, error);
      else if ('row' in result) {
        kept.set(result.id, result.row);
        used++;
      }
    }
    if (used === 0)
      ledger.warn(`${basename(file)}: ${rows === 0 ? 'it has no rows' : `none of its ${rows} rows is used`}`);
  }
  return assemble([...kept.values()], options, ledger);
}

type CheckResult = { readonly line: number; readonly id: string } & (
  { readonly row: CheckedRow } | { readonly error: RowError }
);

function drop(ledger: Ledger, { id, line }: CheckResult, error: RowError): void {
  ledger.drop({ id, line, reason: error.reason, detail: error.message });
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
 * without a word. Where a file has no column of ids, rows are numbered from 1 (with the file's name, if there are more).
 */
async function* rawRows(file: string, options: PostsOptions, ledger: Ledger): AsyncGenerator<RawRow> {
  const name = basename(file);
  const prefix = options.files.length > 1 ? `${basename(file, extname(file))}-` : '';
  const noted = new Set<string>();
  const note = (message: string | undefined): void => {
    if (message !== undefined && !noted.has(message)) ledger.note(`${name}: ${message}`);
    if (message !== undefined) noted.add(message);
  };
  let isNumbered: boolean | undefined;
  let row = 0;
  for await (const raw of readerOf(file)(file, 'labeled', options.columns)) {
    row++;
    if ('error' in raw) {
      yield raw;
      continue;
    }
    const { cells, columns } = raw;
    note(describeColumns(columns));
    for (const unused of columns.unused) note(`column "${unused}" is not used`);
    isNumbered ??= !('id' in cells) && extname(file).toLowerCase() !== '.json';
    yield isNumbered && !('id' in cells) ? { ...raw, cells: { ...cells, id: `${prefix}${row}` } } : raw;
  }
  if (isNumbered === true) note('no column of ids; rows are numbered');
}

/** @throws DataError when the file or the root is missing */
async function checksFor(file: string, options: PostsOptions, ledger: Ledger, spool: ImageSpool): Promise<RowChecks> {
  const stats = await stat(file).catch(() => undefined);
  if (stats?.isFile() !== true) {
    const received = stats === undefined ? 'nothing there' : 'a folder or device';
    throw new DataError({
      subject: `Opening ${file}`,
      expected: 'a file of posts',
      received,
      remedy: 'check the path',
    });
  }
  const root = options.root ?? dirname(file);
  if ((await stat(root).catch(() => undefined))?.isDirectory() !== true) {
    const report = { subject: `Opening ${file}`, expected: `a folder of images ${root}`, received: 'no such folder' };
    throw new DataError({ ...report, remedy: 'check the root folder that you named' });
  }
  const realRoot = await resolveInside(root, '.');
  return {
    ...options,
    root: realRoot,
    variants: new NameVariants(realRoot),
    split: options.files.length > 1 ? basename(file, extname(file)) : null,
    classes: options.classes,
    note: (message, id) => ledger.note(message, id),
    keepImage: (bytes, description) => spool.keep(bytes, description),
  };
}

async function checkRawRow(file: string, raw: RawRow, checks: RowChecks): Promise<CheckResult> {
  const { line } = raw;
  const unknown = `${basename(file)} line ${line}`;
  if ('error' in raw) return { line, id: unknown, error: raw.error };
  try {
    const row = parsePostRow(placeOf(file, line), raw.cells, raw.columns.present);
    return { line, id: row.id, row: { ...(await checkRow(placeOf(file, line), row, checks)), line } };
  } catch (error) {
    const { id } = raw.cells;
    const readable = (typeof id === 'string' && id.trim() !== '') || typeof id === 'number';
    return { line, id: readable ? String(id).trim() : unknown, error: asRowError(placeOf(file, line), error) };
  }
}

function asRowError(place: string, error: unknown): RowError {
  if (error instanceof RowError) return error;
  if (!(error instanceof DataError)) throw error;
  return new RowError('unreadable file', { ...error.report, subject: place }, { cause: error });
}

function assemble(rows: readonly CheckedRow[], options: PostsOptions, ledger: Ledger): Dataset {
  const named = withCodesNamed(rows, options.classes, ledger);
  const classes = options.classes ?? classesOf(named, options.files);
  const records = named.map(({ label, ...row }): PostRecord => ({ ...row, label: classes.indexOf(label) }));
  ledger.keep(records.length);
  return new ContentDataset({ name: 'posts', classes, records, ledger, decoding: options.decoding, encoding: 'utf-8' });
}

/** Labels that are CLMLF's codes get their names, and the ledger a note of which. */
function withCodesNamed(
  rows: readonly CheckedRow[],
  classes: readonly string[] | undefined,
  ledger: Ledger,
): readonly Omit<CheckedRow, 'code'>[] {
  const codes = new Set(rows.flatMap(({ code }) => code ?? []));
  if (codes.size === 0) return rows;
  const names = codedNames(codes, classes);
  ledger.note(`emotion_label: ${names.map((name, code) => `${code} is ${name}`).join(', ')}`);
  return rows.map(({ code, ...row }) => (code === undefined ? row : { ...row, label: names[code] ?? row.label }));
}

/** Whole numbers by size, everything else by code units. */
function byName(a: string, b: string): number {
  const areNumbers = [a, b].every((name) => /^-?\d{1,15}$/.test(name));
  if (areNumbers && Number(a) !== Number(b)) return Number(a) - Number(b);
  return a < b ? -1 : Number(a > b);
}

/** Labels that occur, sorted; published split files keep MVSA's order, so that they fit a model trained on MVSA. */
function classesOf(rows: readonly Pick<CheckedRow, 'label'>[], files: readonly string[]): readonly string[] {
  const labels = [...new Set(rows.map((row) => row.label))].sort(byName);
  const published = files.every((file) => extname(file).toLowerCase() === '.json');
  return published && labels.every((label) => (SENTIMENTS as readonly string[]).includes(label)) ? SENTIMENTS : labels;
}
