import { constants, createReadStream } from 'node:fs';
import { open, rm, stat, truncate, type FileHandle } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import type { ColumnNames } from '@drf/datasets';
import { readJson, writeJsonAtomic } from '@drf/files';
import { ConfigurationError, DataError, refuser } from '@drf/tensor';
import type { PredictionRow, RejectedRow } from './prediction-row.js';

/** What decides an output; a job is gone on with only where all of it is the same. */
export interface JobIdentity {
  /** Absolute path of the run, the checkpoint used, and the hash of its bytes: a run may be trained anew. */
  readonly run: string;
  readonly checkpoint: string;
  readonly sha256: string;
  /** What computes: others differ in the last digits. */
  readonly engine: string;
  readonly input: string;
  readonly inputBytes: number;
  readonly inputModified: string;
  readonly classes: readonly string[];
  /** Folder of the images, where that was said. */
  readonly root: string | null;
  readonly encoding: string | null;
  /** Which column holds what, where that was said. */
  readonly columns: ColumnNames | null;
}

/** Names of what an unfinished job leaves beside its output. */
function spoolPaths(out: string) {
  return { job: `${out}.partial.json`, rows: `${out}.partial.jsonl` };
}

/** Whether a job's spool is there: it was interrupted, or ended in the moment between its output and its spool's end. */
export async function isUnfinished(out: string): Promise<boolean> {
  return (await stat(spoolPaths(out).job).catch(() => undefined)) !== undefined;
}

/** A row of the input, dealt with. */
export type SpooledRow = PredictionRow | RejectedRow;

export function isRejected(row: SpooledRow): row is RejectedRow {
  return 'reason' in row;
}

/** Rows are on disk after so many of them, and when the job ends in any way but a crash. */
const ROWS_A_WRITE = 64;

/**
 * Where a job's rows go until all are there: JSON Lines in the order of the input that only grow, so that a crash loses
 * at most the last rows, and `--resume` goes on behind the last whole one.
 */
export class Spool {
  private waiting = '';
  private waitingRows = 0;

  private constructor(
    private readonly out: string,
    private readonly file: FileHandle,
    /** Rows that earlier sessions have dealt with. */
    readonly done: number,
  ) {}

  /**
   * Starts a job's spool, or goes on with it.
   * @throws ConfigurationError when an unfinished job is there, or `resume` finds none or another one
   */
  static async open(out: string, identity: JobIdentity, options: { readonly resume: boolean }): Promise<Spool> {
    const paths = spoolPaths(out);
    const exists = await isUnfinished(out);
    if (options.resume) assertSameJob(paths.job, exists ? await readJson(paths.job) : undefined, identity);
    else if (exists) throw unfinished(out);
    else await startRows(paths, identity);
    const done = options.resume ? await keepWholeLines(paths.rows) : 0;
    return new Spool(out, await open(paths.rows, APPEND), done);
  }

  async add(row: SpooledRow): Promise<void> {
    this.waiting += `${JSON.stringify(row)}\n`;
    if (++this.waitingRows >= ROWS_A_WRITE) await this.flush();
  }

  /** Writes what waits and closes the file, which stays for {@link Spool.open} with `resume`. */
  async close(): Promise<void> {
    await this.flush();
    await this.file.close();
  }

  private async flush(): Promise<void> {
    const text = this.waiting;
    [this.waiting, this.waitingRows] = ['', 0];
    await append(this.out, this.file, text);
  }
}

/** A link in place of the rows would let them be written elsewhere. Windows has no such flag. */
const APPEND = constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT | (constants.O_NOFOLLOW ?? 0);

/** Rows that are there without a job are of one that was removed half; they go before the job is written. */
async function startRows(paths: ReturnType<typeof spoolPaths>, identity: JobIdentity): Promise<void> {
  await rm(paths.rows, { force: true });
  await writeJsonAtomic(paths.job, identity);
}

/** Deletes a job's spool, after its rows became the output, or to start anew. */
export async function removeSpool(out: string): Promise<void> {
  const { job, rows } = spoolPaths(out);
  for (const path of [job, rows]) await rm(path, { force: true }); // without its job, rows count for nothing
}

async function append(out: string, file: FileHandle, text: string): Promise<void> {
  if (text === '') return;
  try {
    await file.appendFile(text);
  } catch (error) {
    throw refuser(DataError, `Writing beside ${out}`)(
      'a folder with room and permission',
      (error as Error).message,
      'make room, then go on with --resume',
      error,
    );
  }
}

/** Cuts off a last line that a crash left torn. @returns whole lines */
async function keepWholeLines(path: string): Promise<number> {
  if ((await stat(path).catch(() => undefined)) === undefined) return 0;
  let [lines, whole, at] = [0, 0, 0];
  for await (const chunk of createReadStream(path) as AsyncIterable<Buffer>) {
    for (let end = chunk.indexOf(10); end !== -1; end = chunk.indexOf(10, end + 1)) {
      lines++;
      whole = at + end + 1;
    }
    at += chunk.length;
  }
  await truncate(path, whole);
  return lines;
}

/** A job's rows, one at a time. */
export async function* spooledRows(out: string): AsyncGenerator<SpooledRow> {
  const path = spoolPaths(out).rows;
  const lines = createInterface({ input: createReadStream(path, 'utf8'), crlfDelay: Infinity });
  let number = 0;
  for await (const line of lines) {
    number++;
    if (line !== '') yield parseRow(path, number, line);
  }
}

/** @throws DataError for a line that no job wrote */
function parseRow(path: string, number: number, line: string): SpooledRow {
  try {
    const row = JSON.parse(line) as Partial<PredictionRow & RejectedRow> | null;
    const isJudged =
      typeof row?.label === 'string' && typeof row.probabilities === 'object' && row.probabilities !== null;
    if (typeof row?.reason === 'string' || (isJudged && typeof row.input === 'object')) return row as SpooledRow;
  } catch {
    // no JSON
  }
  throw refuser(DataError, `${path}, line ${number}`)(
    'a row of an unfinished job',
    'something else',
    'the file was changed; start anew with --overwrite',
  );
}

function assertSameJob(path: string, found: unknown, identity: JobIdentity): void {
  if (found === undefined) {
    throw refuser(ConfigurationError, '--resume')(
      `an unfinished job at ${path}`,
      'none',
      'leave --resume out to start one',
    );
  }
  const job = typeof found === 'object' && found !== null ? (found as Partial<JobIdentity>) : {};
  const other = (Object.keys(identity) as (keyof JobIdentity)[])
    .map((name) => [name, identity[name]] as const)
    .find(([name, value]) => JSON.stringify(job[name] ?? null) !== JSON.stringify(value));
  if (other === undefined) return;
  const [name, value] = other;
  throw refuser(ConfigurationError, `--resume, ${name},`)(
    `what the unfinished job has: ${JSON.stringify(job[name]) ?? 'nothing, as its file is damaged'}`,
    JSON.stringify(value),
    'name the same run and an unchanged input, or start anew with --overwrite',
  );
}

function unfinished(out: string): ConfigurationError {
  return refuser(ConfigurationError, `--out ${out}`)(
    'no unfinished job',
    `one at ${spoolPaths(out).job}`,
    'go on with it by --resume, or start anew with --overwrite',
  );
}
