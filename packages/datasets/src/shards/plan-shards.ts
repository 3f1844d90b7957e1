import { basename, relative, resolve, sep } from 'node:path';
import type { Storage, StoredEntry, StoredFile } from '@drf/files';
import { ConfigurationError, DataError, mapAhead, refuser } from '@drf/tensor';
import type { ColumnNames } from '../posts/columns.js';
import { storedRoot } from '../posts/content-root.js';
import { csvPlaces } from '../posts/csv.js';
import { jsonLinePlaces } from '../posts/json.js';
import { openNamed, renamed } from '../posts/named-file.js';
import { openTable, type Table } from '../posts/reader.js';
import { folderNames } from '../posts/unlabeled-folder.js';
import { checksOf, folderEncoding } from '../posts/unlabeled-posts.js';
import type { EncodingChoice } from '../text-decoder.js';
import { FileNotes, listInputs, skipper, type Inputs } from './inputs.js';
import type { PlannedFile, Shard, ShardPart, ShardPlan } from './plan.js';
import { folderOf } from './read-shard.js';

/** How posts are cut into shards. */
export interface PlanOptions {
  /** About how many a shard has, or gives it by how many rows there are (null: not known yet, or never). Default 100,000. */
  readonly rowsPerShard?: number | ((rows: number | null) => number);
  /** Which column holds what, where common names do not tell. */
  readonly columns?: ColumnNames;
  /** Of tables, and of texts in files. Default `auto`: found out of each table, from all of its bytes. */
  readonly encoding?: EncodingChoice;
  /** Files, and folders with all that is in them, that are no input: an output inside the folder, what waits to be it. */
  readonly except?: readonly string[];
  readonly onProgress?: (progress: PlanProgress) => void;
  readonly signal?: AbortSignal;
}

/** How far planning is. */
export interface PlanProgress {
  /** Files that are planned. */
  readonly files: number;
  readonly of: number;
  /** Bytes that were read. */
  readonly bytes: number;
}

const ROWS_PER_SHARD = 100_000;

/** Files that are looked into side by side. */
const FILES_AHEAD = 8;

/** What a post of a tar takes: tars are not counted, but small ones share a shard. */
const TAR_BYTES_PER_POST = 16 * 1024;

/**
 * Lists what is to be read at a location, once, and cuts it into shards. How each file is stored is found here, so that all
 * shards read it alike. Of Parquet only the footers are read, of tars the first bytes; texts (CSV, JSON Lines) are read
 * twice, once for their encoding and once to find where rows begin, and JSON arrays once. Files of one small kind or
 * another share shards.
 * @param location a file, a folder or a prefix: a path or `s3://bucket/prefix`; or an open storage, all of it
 * @throws DataError where nothing is there, or nothing to read, and for a file that cannot be read, by name; the signal's
 *   reason when it aborts
 */
export async function planShards(location: string | Storage, options: PlanOptions = {}): Promise<ShardPlan> {
  const { rowsPerShard: choice = ROWS_PER_SHARD } = options;
  const chosen = typeof choice === 'number' ? () => choice : choice;
  const rowsPerShard = chosen(null);
  if (!Number.isSafeInteger(rowsPerShard) || rowsPerShard < 1)
    throw refuser(ConfigurationError, 'planShards option rowsPerShard')('a whole number from 1', String(rowsPerShard));
  const opened = typeof location === 'string' ? await openNamed(location) : { storage: location, path: '' };
  const { storage, path } = opened;
  const name = typeof location === 'string' ? location : location.location;
  const except = exceptions(storage, options.except ?? []);
  const notes = new FileNotes();
  const inputs = path === '' ? await listInputs(storage, except, notes) : await only(storage, path);
  if (inputs.kind === 'none') throw nothingToRead(name, inputs.seen, notes);
  const plan = (every: number, about: FileNotes) => planInputs(storage, inputs, except, options, every, about);
  let planned = await plan(rowsPerShard, notes);
  if (planned.length === 0) throw nothingToRead(name, 0, notes);
  const rows = sumOfRows(planned.map(({ file }) => file));
  const better = rows === null ? rowsPerShard : chosen(rows);
  if (better !== rowsPerShard) planned = await plan(better, new FileNotes()); // it says the same once more
  return {
    location: storage.location,
    files: planned.map(({ file }) => file),
    shards: gather(planned, better),
    rows,
    columns: options.columns ?? {},
    except,
    notes: notes.messages,
  };
}

/** Cuts what was listed. */
async function planInputs(
  storage: Storage,
  inputs: Exclude<Inputs, { kind: 'none' }>,
  except: readonly string[],
  options: PlanOptions,
  rowsPerShard: number,
  notes: FileNotes,
): Promise<readonly PlannedPieces[]> {
  if (inputs.kind === 'folder') return [await planFolder(storage, inputs, except, options, rowsPerShard, notes)];
  const { entries } = inputs;
  const watch = new Watch(options, entries.length);
  const planned: PlannedPieces[] = [];
  const plan = (entry: StoredEntry) => planTable(storage, entry, entries.length > 1, options, rowsPerShard, watch);
  for await (const { found, entry, messages } of mapAhead(entries, FILES_AHEAD, plan)) {
    for (const message of messages) notes.add(message, entry.path);
    if (found !== null) planned.push(found);
    watch.fileDone();
  }
  return planned;
}

/** Of all together; null where a part's are not known. */
function sumOfRows(parts: readonly { readonly rows: number | null }[]): number | null {
  return parts.reduce<number | null>((sum, { rows }) => (sum === null || rows === null ? null : sum + rows), 0);
}

/** @throws DataError when it is gone by now */
async function only(storage: Storage, path: string): Promise<Inputs> {
  const { bytes, version } = await storage.open(path);
  return { kind: 'tables', entries: [{ path, bytes, version }] };
}

/** Locations below the storage's root as paths in it. */
function exceptions(storage: Storage, locations: readonly string[]): readonly string[] {
  return locations.flatMap((location) => {
    if (storage.folder === null) return location.startsWith(`${storage.location}/`) ? [location.slice(storage.location.length + 1).replace(/\/+$/, '')] : []; // prettier-ignore
    const path = relative(storage.folder, resolve(location)).split(sep).join('/');
    return path === '' || path.startsWith('../') || path === '..' ? [] : [path];
  });
}

/** Counts what is read, and stops where the signal says so. */
class Watch {
  private files = 0;
  private bytes = 0;

  constructor(
    private readonly options: PlanOptions,
    private readonly of: number,
  ) {}

  fileDone(): void {
    this.files++;
    this.report(0);
  }

  /** The same file; its bytes are counted when they are read. */
  over(file: StoredFile): StoredFile {
    const report = (bytes: number): void => this.report(bytes);
    return {
      ...file,
      read: async (start, end) => {
        const bytes = await file.read(start, end);
        report(bytes.length);
        return bytes;
      },
      async *stream(start, end) {
        for await (const chunk of file.stream(start, end)) {
          report(chunk.length);
          yield chunk;
        }
      },
    };
  }

  private report(bytes: number): void {
    this.options.signal?.throwIfAborted();
    this.bytes += bytes;
    this.options.onProgress?.({ files: this.files, of: this.of, bytes: this.bytes });
  }
}

/** Rows of a file that are read together. */
type Piece = Omit<ShardPart, 'file'>;

interface PlannedPieces {
  readonly file: PlannedFile;
  readonly pieces: readonly Piece[];
}

async function planFolder(
  storage: Storage,
  { bytes, version }: { readonly bytes: number; readonly version: string },
  except: readonly string[],
  options: PlanOptions,
  rowsPerShard: number,
  notes: FileNotes,
): Promise<PlannedPieces> {
  const folder = folderOf(storage, skipper(except));
  const rows = (await folderNames(folder)).size;
  const note = (message: string): void => notes.add(message, storage.location);
  const checks = checksOf(await storedRoot(storage, ''), {}, note);
  const encoding = await folderEncoding(folder, checks, options.encoding, note);
  const form = { format: 'folder', encoding } as const;
  return { file: { path: '', bytes, version, form, rows }, pieces: evenly(0, rows, rowsPerShard) };
}

/** What a table comes to: nothing where it has no rows, which its messages say. */
async function planTable(
  storage: Storage,
  entry: StoredEntry,
  areSeveral: boolean,
  { columns = {}, encoding = 'auto' }: PlanOptions,
  rowsPerShard: number,
  watch: Watch,
): Promise<{
  readonly entry: StoredEntry;
  readonly messages: readonly string[];
  readonly found: PlannedPieces | null;
}> {
  const { path, bytes, version } = entry;
  if (bytes === 0) return { entry, messages: ['is empty'], found: null };
  const file = watch.over(renamed(await storage.open(path, version), areSeveral ? path : basename(path)));
  const table = await openTable(file, { kind: 'unlabeled', columns, encoding });
  const { rows, pieces } = await piecesOf(table, columns, rowsPerShard);
  if (rows === 0) return { entry, messages: [...table.notes, 'has no rows'], found: null };
  return { entry, messages: table.notes, found: { file: { path, bytes, version, form: table.form, rows }, pieces } };
}

async function piecesOf(
  table: Table,
  columns: ColumnNames,
  every: number,
): Promise<{ readonly rows: number | null; readonly pieces: readonly Piece[] }> {
  const { file, form } = table;
  if (form.format === 'WebDataset') return { rows: null, pieces: [{ row: 0, rows: null }] };
  if (form.format === 'Parquet') {
    const { parquetGroups } = await import('../posts/parquet.js');
    const groups = await parquetGroups(file, columns);
    return { rows: groups.reduce((sum, rows) => sum + rows, 0), pieces: cutGroups(groups, every) };
  }
  if (form.format === 'a JSON array') {
    let rows = 0;
    for await (const raw of table.rows()) rows = Math.max(rows, raw.line);
    return { rows, pieces: evenly(0, rows, every) };
  }
  const { rows, places } = await (form.format === 'CSV' ? csvPlaces(file, columns, form, every) : jsonLinePlaces(file, form, every)); // prettier-ignore
  if (form.isPacked || places.length === 0) return { rows, pieces: evenly(0, rows, every) };
  const pieces = places.map((place, index) => ({ row: index * every, rows: Math.min(every, rows - index * every), ...place })); // prettier-ignore
  return { rows, pieces };
}

/** Pieces of as many rows each, about as many as wanted. */
function evenly(start: number, rows: number, wanted: number): readonly Piece[] {
  const count = Math.max(1, Math.round(rows / wanted));
  const cut = (index: number): number => Math.floor((index * rows) / count);
  return Array.from({ length: count }, (_, index) => ({ row: start + cut(index), rows: cut(index + 1) - cut(index) }));
}

/** Row groups together until there are as many rows as wanted; a much larger one is cut, and decoded by each of its pieces. */
function cutGroups(groups: readonly number[], wanted: number): readonly Piece[] {
  const pieces: Piece[] = [];
  let [row, rows] = [0, 0];
  const close = (): void => {
    if (rows > 0) pieces.push({ row, rows });
    [row, rows] = [row + rows, 0];
  };
  for (const group of groups) {
    if (rows + group > wanted) close();
    if (group <= 1.5 * wanted) rows += group;
    else {
      pieces.push(...evenly(row, group, wanted));
      row += group;
    }
  }
  close();
  return pieces;
}

/** Pieces in their order, as many in a shard as fit. */
function gather(all: readonly PlannedPieces[], wanted: number): readonly Shard[] {
  const shards: Shard[] = [];
  let [parts, weight]: [ShardPart[], number] = [[], 0];
  const close = (): void => {
    if (parts.length > 0) shards.push({ rows: sumOfRows(parts), parts });
    [parts, weight] = [[], 0];
  };
  for (const [file, { file: planned, pieces }] of all.entries()) {
    for (const piece of pieces) {
      const own = piece.rows ?? Math.ceil(planned.bytes / TAR_BYTES_PER_POST);
      if (weight + own > wanted) close();
      parts.push({ file, ...piece });
      weight += own;
    }
  }
  close();
  return shards;
}

function nothingToRead(name: string, seen: number, notes: FileNotes): DataError {
  const { messages } = notes;
  const shown = messages.length === 0 ? (seen === 0 ? 'nothing' : `${seen} files of no kind that holds posts`) : messages.slice(0, 3).join('; '); // prettier-ignore
  return new DataError({
    subject: `Reading posts from ${name}`,
    expected: 'tables (.parquet, .jsonl, .csv, .tsv, .json), tars (.tar), or images and texts',
    received: shown,
    remedy: 'check the location',
  });
}
