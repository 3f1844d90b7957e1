import { createHash } from 'node:crypto';
import { mkdtemp, rename, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ShardPlan } from '@drf/datasets';
import { rejectedPath, RejectedRows, StreamedFile, type Storage } from '@drf/files';
import { abortUploads, openStorage } from '@drf/storage';
import { DataError, refuser } from '@drf/tensor';
import { sumOfCounts, type JobCounts } from './counts.js';
import type { OutputFormat } from './flags.js';
import type { PartFile, PartReport } from './part.js';
import { flatColumns, type PredictionRow } from './prediction-row.js';
import { rowWriter } from './row-writers.js';
import type { JobIdentity } from './score-kind.js';

/** What became of a job. */
export interface PredictResult {
  /** `planned`: nothing was judged, as the runner only writes the plan. */
  readonly outcome: 'finished' | 'interrupted' | 'planned';
  /** Rows dealt with so far, those of earlier sessions included. */
  readonly rows: number;
  /** Only of a finished job. */
  readonly counts: JobCounts | null;
  readonly out: string;
  /** Of an output that is one file: the side file, if any row was rejected. */
  readonly rejected: string | null;
  /** Of an output in parts: how many there are. */
  readonly parts: number | null;
  /** The job's plan; null of a stream. */
  readonly plan: string | null;
}

/** How one file is made of parts. */
export interface FileForm {
  readonly format: OutputFormat;
  readonly classes: readonly string[];
  readonly rawCsv: boolean;
  readonly withFile: boolean;
}

/**
 * Puts the parts of a job, which are JSON Lines, together into one file: predictions in the format of its ending, and the
 * rows that could not be judged into a side file beside it, if there are any. Both appear whole or not at all.
 * @param onWhole called with the output's temporary name before it gets its own
 * @throws DataError for a part that is not what was judged
 */
export async function assembleFile(
  out: string,
  parts: Storage,
  reports: readonly PartReport[],
  { format, classes, rawCsv, withFile }: FileForm,
  onWhole: (temporary: string) => Promise<void> = async () => undefined,
): Promise<void> {
  const temporary = `${out}.temporary`;
  await rm(temporary, { force: true }); // of a killed program; or a link
  const rejected = await RejectedRows.create(out);
  for (const { rejectedRows } of reports) {
    if (rejectedRows !== null) for await (const row of rowsOf(parts, rejectedRows)) await rejected.add(row as object);
  }
  if (format === 'jsonl') {
    const file = new StreamedFile(temporary);
    for (const { part } of reports) for await (const bytes of bytesOf(parts, part)) await file.write(bytes);
    await file.end();
  } else {
    const columns = flatColumns(classes, await inputColumns(parts, reports), { withFile });
    const writer = rowWriter(temporary, format, classes, columns, { raw: rawCsv });
    for (const { part } of reports) {
      for await (const row of rowsOf(parts, part)) await writer.write(row as PredictionRow);
    }
    await writer.end();
  }
  await onWhole(temporary);
  await rejected.end();
  await rename(temporary, out); // last: where there is an output, all of it is there
}

/** All columns that any row of the input has, in the order in which they come: rows of JSON Lines may differ. */
async function inputColumns(parts: Storage, reports: readonly PartReport[]): Promise<Set<string>> {
  const names = new Set<string>();
  for (const { part } of reports) {
    for await (const row of rowsOf(parts, part))
      for (const name of Object.keys((row as PredictionRow).input)) names.add(name);
  }
  return names;
}

async function* rowsOf(parts: Storage, file: PartFile): AsyncGenerator<unknown> {
  let rest: Buffer[] = [];
  for await (const bytes of bytesOf(parts, file)) {
    const chunk = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    let start = 0;
    for (let end = chunk.indexOf(NEWLINE); end !== -1; end = chunk.indexOf(NEWLINE, start)) {
      const line = Buffer.concat([...rest, chunk.subarray(start, end)]).toString('utf8');
      [rest, start] = [[], end + 1];
      try {
        yield JSON.parse(line);
      } catch {
        throw changed(parts, file); // its hash would say so later
      }
    }
    rest.push(chunk.subarray(start));
  }
}

const NEWLINE = 10;

/** A part's bytes, which are looked at as they pass. */
async function* bytesOf(parts: Storage, file: PartFile): AsyncGenerator<Uint8Array> {
  const hash = createHash('sha256');
  for await (const bytes of (await parts.open(file.path)).stream()) {
    hash.update(bytes);
    yield bytes;
  }
  if (hash.digest('hex') !== file.sha256) throw changed(parts, file);
}

function changed(parts: Storage, { path, sha256 }: PartFile): DataError {
  return refuser(DataError, `${parts.location}/${path}`)(
    `the rows that were judged, of SHA-256 ${sha256}`,
    'others',
    'the file was changed; start anew with --overwrite',
  );
}

/** {@link assembleFile}, for object storage. */
export async function assembleObject(
  out: string,
  parts: Storage,
  reports: readonly PartReport[],
  made: FileForm,
): Promise<void> {
  const [storage, name] = await objectOf(out);
  const folder = await mkdtemp(join(tmpdir(), 'drf-output-'));
  try {
    const file = join(folder, name);
    await assembleFile(file, parts, reports, made);
    const hasRejected = reports.some(({ rejectedRows }) => rejectedRows !== null);
    if (hasRejected) await storage.write(rejectedPath(name), { file: rejectedPath(file) });
    else await storage.remove(rejectedPath(name));
    await storage.write(name, { file });
    for (const written of [name, rejectedPath(name)]) await abortUploads(storage, written); // of a process killed here
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** The storage and name of an object. */
export async function objectOf(location: string): Promise<[storage: Storage, name: string]> {
  const slash = location.lastIndexOf('/');
  return [await openStorage(location.slice(0, slash)), location.slice(slash + 1)];
}

/** Says that a job's parts are all there, and what they are. */
const SUCCESS_FILE = '_SUCCESS.json';

/** What {@link SUCCESS_FILE} holds. */
export interface Success extends JobCounts {
  /** Hash of the job's plan; null of standard input. */
  readonly plan: string | null;
  readonly rows: number;
  readonly parts: readonly (PartFile & { readonly rows: number; readonly rejectedRows: PartFile | null })[];
  readonly model: Readonly<Record<string, unknown>>;
  readonly options: Readonly<Record<string, unknown>>;
  readonly inputs: readonly Readonly<Record<string, unknown>>[];
}

/** What an output was made by. */
export interface FinishedPlan {
  readonly hash: string | null;
  readonly location: string | null;
  readonly settings: unknown;
}

/**
 * Writes {@link SUCCESS_FILE} once all parts are there.
 * @throws DataError for a part that is not, or has another size than what was judged
 */
export async function finishFolder(parts: Storage, plan: FinishedPlan, reports: readonly PartReport[]): Promise<void> {
  const sizes = new Map<string, number>();
  for await (const { path, bytes } of parts.list()) sizes.set(path, bytes);
  for (const { part, rejectedRows } of reports) {
    for (const file of [part, rejectedRows]) {
      if (file === null || sizes.get(file.path) === file.bytes) continue;
      const size = sizes.get(file.path);
      throw refuser(DataError, `${parts.location}/${file.path}`)(
        `the ${file.bytes} bytes that were judged`,
        size === undefined ? 'nothing there' : `${size} bytes`,
        'the same command judges this part again',
      );
    }
  }
  const { identity, shards } = plan.settings as { identity: JobIdentity; shards: ShardPlan | null };
  const { run, checkpoint, sha256, engine, classes, input, form, ...reading } = identity;
  const counts = sumOfCounts(classes, reports);
  const success: Success = {
    plan: plan.hash,
    rows: counts.judged + counts.rejected,
    ...counts,
    model: { run, checkpoint, sha256, engine, classes },
    options: { input, ...reading, ...form },
    inputs: (shards?.files ?? []).map(({ path, bytes, version, rows }) => ({ path, bytes, version, rows })),
    parts: reports.map(({ part, rejectedRows, judged }) => ({ ...part, rows: judged, rejectedRows })),
  };
  await parts.write(SUCCESS_FILE, `${JSON.stringify(success, null, 2)}\n`);
}
