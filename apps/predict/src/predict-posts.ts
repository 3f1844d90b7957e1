import { mkdir, stat } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import {
  countUnlabeledPosts,
  readUnlabeledPosts,
  type ColumnNames,
  type EncodingChoice,
  type TableStream,
  type SeenPosts,
} from '@drf/datasets';
import { lockFile, rejectedPath } from '@drf/files';
import type { Judge, JudgeInfo } from '@drf/judge';
import { ConfigurationError, DataError, refuser } from '@drf/tensor';
import { finishOutput, outputFormat, type JobCounts, type OutputFormat } from './finish.js';
import { inputValues } from './prediction-row.js';
import { isUnfinished, removeSpool, Spool, type JobIdentity, type SpooledRow } from './spool.js';

export interface PredictOptions {
  readonly judge: Pick<Judge, 'judge'> & {
    readonly info: Pick<JudgeInfo, 'classes' | 'imageSize' | 'engine' | 'sources'>;
  };
  /** Which posts the run knows; left out or null where it does not say. */
  readonly seen?: SeenPosts | null;
  /** A file of posts, or a folder of images and texts. */
  readonly input: string;
  /** Read in place of `input`, which is then its name: standard input. */
  readonly stream?: TableStream;
  /** Folder that a file's image paths are relative to; default that of the file. */
  readonly root?: string;
  /** Of a table, or of a folder's texts; default `auto`. */
  readonly encoding?: EncodingChoice;
  /** Which column of a table holds what, where common names do not tell. */
  readonly columns?: ColumnNames;
  /** Ends in `.jsonl`, `.csv` or `.parquet`. */
  readonly out: string;
  /** Texts in CSV as they are, also those that a spreadsheet would run. Default false. */
  readonly rawCsv?: boolean;
  readonly resume: boolean;
  readonly overwrite: boolean;
  readonly onCounting?: () => void;
  /** Told how the input is read, where that is worth knowing. */
  readonly onNote?: (message: string) => void;
  /** @param total null of a stream, whose end is not known */
  readonly onProgress?: (done: number, total: number | null) => void;
  readonly onRejected?: (row: number, detail: string) => void;
  readonly signal?: AbortSignal;
}

export interface PredictResult {
  readonly outcome: 'finished' | 'interrupted';
  /** Rows dealt with so far, those of earlier sessions included. */
  readonly rows: number;
  /** Only of a finished job. */
  readonly counts: JobCounts | null;
  readonly out: string;
  /** The side file, if any row was rejected. */
  readonly rejected: string | null;
}

/** How images are decoded for a judge. */
function decodingOf({ imageSize }: Pick<JudgeInfo, 'imageSize'>) {
  return { width: imageSize, height: imageSize, fit: 'stretch', maximumPixels: 100_000_000 } as const;
}

/**
 * Judges posts one after the other, with memory that does not grow with their number. Rows go to a spool beside the
 * output and become the output at the end; an interruption or a crash leaves the spool, and `resume` goes on with it.
 * @throws ConfigurationError for an output that exists or is the input, or an ending that is unknown; DataError when the
 *   input cannot be opened, or another process writes the same output
 */
export async function predictPosts(options: PredictOptions): Promise<PredictResult> {
  const format = outputFormat(options.out);
  await mkdir(dirname(resolve(options.out)), { recursive: true });
  const lock = await lockFile(`${options.out}.lock`, `--out ${options.out}`);
  try {
    return await predictLocked(options, format);
  } finally {
    await lock.release();
  }
}

async function predictLocked(options: PredictOptions, format: OutputFormat): Promise<PredictResult> {
  const { judge, input, out, signal } = options;
  const refuse = refuser(ConfigurationError, `--out ${out}`);
  if (await areSame(input, out))
    throw refuse('another file than the input', 'the input itself, which would be lost', 'choose another name');
  const isDone = (await exists(out)) && !(options.resume && (await isUnfinished(out)));
  if (options.overwrite) await removeSpool(out);
  else if (isDone) {
    throw refuse(
      'a file that does not exist yet',
      'one that does',
      'choose another name, or replace it with --overwrite',
    );
  }
  const identity = await identityOf(options);
  if (options.stream === undefined) options.onCounting?.();
  const total = options.stream === undefined ? await countUnlabeledPosts(input, { ...options, except: out }) : null;
  const spool = await Spool.open(out, identity, options);
  let rows = spool.done;
  try {
    for await (const row of judged(options, spool.done)) {
      await spool.add(row);
      rows = row.row;
      options.onProgress?.(rows, total);
      if (signal?.aborted === true) break;
    }
  } finally {
    await spool.close();
  }
  if (signal?.aborted === true && rows < (total ?? Infinity))
    return { outcome: 'interrupted', rows, counts: null, out, rejected: null };
  const counts = await finishOutput(out, format, judge.info.classes, { raw: options.rawCsv });
  await removeSpool(out);
  return { outcome: 'finished', rows, counts, out, rejected: counts.rejected > 0 ? rejectedPath(out) : null };
}

/** Judges row by row. */
export async function* judged(
  options: Omit<PredictOptions, 'out' | 'resume' | 'overwrite'> & { readonly out?: string },
  skip = 0,
): AsyncGenerator<SpooledRow> {
  const { judge, input, stream, root, encoding, columns, out, onNote, onRejected } = options;
  const reading = { stream, root, encoding, columns, decoding: decodingOf(judge.info), except: out, skip, onNote };
  for await (const result of readUnlabeledPosts(input, reading)) {
    const { row, id } = result;
    if ('error' in result) {
      const { reason, message: detail } = result.error;
      onRejected?.(row, detail);
      yield { row, id, reason, detail };
      continue;
    }
    const { line, own, post, hash } = result;
    try {
      const judgment = await judge.judge(post);
      yield { row, line, id, seen: options.seen?.get(hash) ?? null, input: inputValues(own), ...judgment };
    } catch (error) {
      if (!(error instanceof DataError)) throw error; // of this post alone: the next may well be judged
      onRejected?.(row, error.message);
      yield { row, id, reason: 'not judged', detail: error.message };
    }
  }
}

/** @throws DataError for an input that is not there */
async function identityOf({ judge, input, root, encoding, columns }: PredictOptions): Promise<JobIdentity> {
  const stats = await stat(input).catch(() => undefined);
  const { sources, engine, classes } = judge.info;
  const joined = (part: 'folder' | 'checkpoint' | 'sha256'): string => sources.map((each) => each[part]).join(' + ');
  return {
    run: joined('folder'),
    checkpoint: joined('checkpoint'),
    sha256: joined('sha256'),
    input: resolve(input),
    inputBytes: stats?.size ?? 0,
    inputModified: stats?.mtime.toISOString() ?? '',
    engine,
    classes,
    root: root === undefined ? null : resolve(root),
    columns: columns ?? null,
    encoding: encoding === 'auto' ? null : (encoding ?? null),
  };
}

async function exists(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined)) !== undefined;
}

/** Whether two paths lead to one file, however they are written. */
async function areSame(first: string, second: string): Promise<boolean> {
  const [a, b] = await Promise.all([first, second].map((path) => stat(path).catch(() => undefined)));
  return a !== undefined && b !== undefined && a.dev === b.dev && a.ino === b.ino;
}
