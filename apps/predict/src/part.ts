import { mkdir, mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileHash, StreamedFile, type Storage } from '@drf/files';
import { Counter, type JobCounts } from './counts.js';
import { flatColumns, isRejected, type JudgedRow } from './prediction-row.js';
import { jsonLine, rowWriter } from './row-writers.js';
import { OUTPUT_FORMATS, type OutputFormat } from './flags.js';

/** How the parts of a job look. */
export interface PartForm {
  readonly format: OutputFormat;
  /** Of the flat formats: the input's own columns; null where they are not known before all rows are read. */
  readonly ownColumns: readonly string[] | null;
  /** Whether rows say which file they are from. */
  readonly withFile: boolean;
  readonly rawCsv: boolean;
}

/** A file of an output. */
export interface PartFile {
  readonly path: string;
  readonly bytes: number;
  /** SHA-256, in hexadecimal. */
  readonly sha256: string;
}

/** What a shard gave: where its posts went, and how many there are of which kind. */
export interface PartReport extends JobCounts {
  readonly part: PartFile;
  /** null where every row could be judged. */
  readonly rejectedRows: PartFile | null;
  /** What a person should know of how rows were read. */
  readonly notes: readonly string[];
  /** The first row that could not be judged, in words. */
  readonly firstRejected: string | null;
}

/** Number of a shard in the names of its files: five digits and more, so that names sort as shards do. */
const numbered = (shard: number): string => String(shard).padStart(5, '0');

const partPath = (shard: number, format: OutputFormat): string => `part-${numbered(shard)}.${format}`;
const rejectedRowsPath = (shard: number): string => `rejected-${numbered(shard)}.jsonl`;
/** Below the folder of the job's own files. */
export const reportPath = (shard: number): string => `counts/${numbered(shard)}.json`;

/** Whether something is what a shard's report says, whole: of files that are that shard's, and of counts. */
export function isReport(value: unknown, shard: number): value is PartReport {
  if (!isRecord(value)) return false;
  const { part, rejectedRows, judged, rejected, labels, unfamiliar, seen, notes, firstRejected } = value;
  const isPart = OUTPUT_FORMATS.some((format) => isPartFile(part, partPath(shard, format)));
  const isRejectedPart = rejectedRows === null || isPartFile(rejectedRows, rejectedRowsPath(shard));
  const areCounts =
    [judged, rejected, unfamiliar].every(isCount) &&
    [labels, seen].every((each) => isRecord(each) && Object.values(each).every(isCount));
  const areNotes = Array.isArray(notes) && notes.every((note) => typeof note === 'string');
  const isFirst = firstRejected === null || typeof firstRejected === 'string';
  return isPart && isRejectedPart && areCounts && areNotes && isFirst;
}

function isPartFile(value: unknown, path: string): boolean {
  return isRecord(value) && value['path'] === path && isCount(value['bytes']) && typeof value['sha256'] === 'string';
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null;
}

function isCount(value: unknown): boolean {
  return Number.isSafeInteger(value) && Number(value) >= 0;
}

/** Notes that a part hands on. */
const MOST_NOTES = 20;

/** Everything that is written of a shard before it is published: files with other names, in a folder of their own. */
export class PartWriter {
  private readonly counter: Counter;
  private readonly notes = new Set<string>();
  private firstRejected: string | null = null;
  private isEnded = false;

  private constructor(
    private readonly folder: string,
    private readonly shard: number,
    private readonly form: PartForm,
    private readonly posts: ReturnType<typeof rowWriter>,
    private readonly rejected: StreamedFile,
    classes: readonly string[],
  ) {
    this.counter = new Counter(classes);
  }

  /**
   * @param beside local folder that the files are made in; null: the system's folder for temporary files
   */
  static async create(
    beside: string | null,
    shard: number,
    form: PartForm,
    classes: readonly string[],
  ): Promise<PartWriter> {
    const parent = beside ?? tmpdir();
    await mkdir(parent, { recursive: true });
    const folder = await mkdtemp(join(parent, UNPUBLISHED));
    const { format, ownColumns, withFile, rawCsv } = form;
    const names = flatColumns(classes, format === 'jsonl' ? [] : ownColumns, { withFile });
    const posts = rowWriter(join(folder, 'posts'), format, classes, names, { raw: rawCsv });
    return new PartWriter(folder, shard, form, posts, new StreamedFile(join(folder, 'rejected')), classes);
  }

  async add(row: JudgedRow): Promise<void> {
    this.counter.add(row);
    if (!isRejected(row)) return this.posts.write(row);
    this.firstRejected ??= `${row.file === undefined ? '' : `${row.file}, `}row ${row.row} is left out: ${row.detail}`;
    await this.rejected.write(jsonLine(row));
  }

  note(message: string): void {
    if (this.notes.size < MOST_NOTES) this.notes.add(message);
  }

  /** Gives the files their places, the rejected rows first. Whoever publishes the same shard publishes the same bytes. */
  async publish(storage: Storage): Promise<PartReport> {
    await this.end();
    const { counts } = this.counter;
    const rejectedPath = rejectedRowsPath(this.shard);
    const rejectedRows = counts.rejected === 0 ? null : await this.publishFile(storage, 'rejected', rejectedPath);
    const part = await this.publishFile(storage, 'posts', partPath(this.shard, this.form.format));
    return { part, rejectedRows, ...counts, notes: [...this.notes], firstRejected: this.firstRejected };
  }

  private async publishFile(storage: Storage, name: string, path: string): Promise<PartFile> {
    const file = join(this.folder, name);
    await storage.write(path, { file });
    return { path, bytes: (await stat(file)).size, sha256: await fileHash(file) };
  }

  /** Removes what was not published, or was. */
  async discard(): Promise<void> {
    await this.end().catch(() => undefined);
    await rm(this.folder, { recursive: true, force: true });
  }

  private async end(): Promise<void> {
    if (this.isEnded) return;
    this.isEnded = true;
    await this.posts.end();
    await this.rejected.end();
  }
}

/** What the folders of unpublished parts are called, with something behind it. */
export const UNPUBLISHED = 'drf-part-';
