import { mkdir, stat } from 'node:fs/promises';
import { dirname, extname, resolve } from 'node:path';
import {
  planShards,
  readShard,
  readUnlabeledPosts,
  type ColumnNames,
  type EncodingChoice,
  type SeenPosts,
  type ShardPlan,
  type TableStream,
} from '@drf/datasets';
import { lockFile, rejectedPath } from '@drf/files';
import { abortUploads, isObjectLocation, openStorage } from '@drf/storage';
import { ConfigurationError, DataError, mapAhead, refuser } from '@drf/tensor';
import {
  localRunner,
  runUnits,
  type PublishedPlan,
  type Runner,
  type UnitFailure,
  type UnitResources,
} from '@drf/units';
import { sumOfCounts } from './counts.js';
import {
  assembleFile,
  assembleObject,
  finishFolder,
  objectOf,
  type FinishedPlan,
  type PredictResult,
} from './finish.js';
import { OUTPUT_FORMATS, type OutputFormat } from './flags.js';
import { JobPlace } from './job.js';
import { decodingOf, judgeRows, type TableJudge } from './judge-rows.js';
import { PartWriter, type PartForm, type PartReport } from './part.js';
import { inputValues } from './prediction-row.js';
import { modelIdentity, thisProcess, type JobIdentity, type ScoreSettings, type ScoringModel } from './score-kind.js';

export type { PredictResult } from './finish.js';

/** Who judges in place of this process: a runner's processes, each with a judge of its own. */
export interface OtherProcesses {
  readonly model: ScoringModel;
  readonly runner: Runner;
  /** The app's `unit.js`. */
  readonly program: URL;
  /** What one takes. */
  readonly resources: UnitResources;
  /** At a time; default: as many as fit. */
  readonly lanes?: number;
  /** Posts from which on they are worth their start; fewer are judged by this process. */
  readonly from: number;
  /** Called before they start: this process needs its judge no more. */
  readonly release?: () => Promise<void>;
}

/** The program that judges shards in a process of its own. */
export const UNIT_PROGRAM = new URL(`./unit.${import.meta.url.endsWith('.ts') ? 'ts' : 'js'}`, import.meta.url);

/** Processes of this machine, so many at a time, however few posts there are. */
export function localProcesses(model: ScoringModel, lanes: number): OtherProcesses {
  return { model, runner: localRunner(), program: UNIT_PROGRAM, resources: NO_RESOURCES, lanes, from: 0 };
}

/** How posts are read. */
export interface ReadingOptions {
  /** Posts: a file, a folder of images and texts, or whatever else `planShards` takes. */
  readonly input: string;
  /** Read in place of `input`, which is then its name: standard input. */
  readonly stream?: TableStream;
  /** Folder that a file's image paths are relative to; default that of the file. */
  readonly root?: string;
  /** Of a table, or of a folder's texts; default `auto`. */
  readonly encoding?: EncodingChoice;
  /** Which column of a table holds what, where common names do not tell. */
  readonly columns?: ColumnNames;
  /** Told how the input is read, where that is worth knowing. */
  readonly onNote?: (message: string) => void;
}

export interface PredictOptions extends ReadingOptions {
  readonly judge: TableJudge;
  /** Which posts the run knows; left out or null where it does not say. */
  readonly seen?: SeenPosts | null;
  /** A file that ends in `.jsonl`, `.csv` or `.parquet`; else a folder, or a prefix in object storage, for parts. */
  readonly out: string;
  /** Of parts; default `parquet`. */
  readonly format?: OutputFormat;
  /** Posts of a shard; default by how many there are. */
  readonly shardPosts?: number;
  readonly others?: OtherProcesses;
  /** Texts in CSV as they are, also those that a spreadsheet would run. Default false. */
  readonly rawCsv?: boolean;
  /** Only go on with a job that was begun. */
  readonly resume: boolean;
  readonly overwrite: boolean;
  readonly onCounting?: () => void;
  /** Told how many files of the input are looked into, of how many. */
  readonly onPlanning?: (files: number, of: number) => void;
  /**
   * @param total null where it is not known: of a stream, and of tars
   * @param shards how many are done, of how many
   */
  readonly onProgress?: (
    done: number,
    total: number | null,
    shards?: { readonly done: number; readonly total: number },
  ) => void;
  /** Told of rows that cannot be judged: at least of the first one. */
  readonly onRejected?: (message: string) => void;
  readonly signal?: AbortSignal;
}

/** Where an output goes, and what it is. */
interface Output {
  readonly out: string;
  readonly isFile: boolean;
  /** Of the file, or of the parts. */
  readonly format: OutputFormat;
  /** Where parts lie: the output itself, or what waits to be it. */
  readonly location: string;
}

/** @throws ConfigurationError for a name that is neither that of a folder nor of a file of a known format */
async function outputOf({ out, format }: Pick<PredictOptions, 'out' | 'format'>): Promise<Output> {
  const ending = extname(out).slice(1).toLowerCase();
  const known = OUTPUT_FORMATS.find((name) => name === ending);
  const isFolder = out.endsWith('/') || (!isObjectLocation(out) && (await stat(out).catch(() => undefined))?.isDirectory() === true); // prettier-ignore
  const refuse = refuser(ConfigurationError, '--out');
  if (known !== undefined && !isFolder) {
    if (format !== undefined && format !== known) throw refuse(`a file that ends in .${format}, or a folder`, out, 'leave --format out, or name a folder'); // prettier-ignore
    return { out, isFile: true, format: known, location: `${out}.partial` };
  }
  if (ending !== '' && !isFolder && !isObjectLocation(out)) {
    const endings = OUTPUT_FORMATS.map((name) => `.${name}`).join(', ');
    throw refuse(`a file that ends in ${endings}, or a folder`, out, 'choose one of these endings, or write a / behind a folder'); // prettier-ignore
  }
  return { out, isFile: false, format: format ?? 'parquet', location: out.replace(/(?<=[^/])\/+$/, '') };
}

/**
 * Judges posts in shards, each of which is judged and written by itself, so that an interruption costs those under way
 * alone and the same call goes on with the rest; by this process, or by others side by side. The output is the same
 * bytes whoever judges what and when. Memory does not grow with the number of posts.
 * @throws ConfigurationError for an output that exists, is the input or another job's, or an ending that is unknown;
 *   DataError when the input cannot be opened or was changed, another process writes the same output, or shards were given
 *   up, which are named
 */
export async function predictPosts(options: PredictOptions): Promise<PredictResult> {
  const output = await outputOf(options);
  if (isObjectLocation(output.out)) return predictTo(output, options); // there, two at once do no harm
  await mkdir(dirname(resolve(output.out)), { recursive: true });
  const name = output.out.replace(/(?<=[^/])\/+$/, '');
  const lock = await lockFile(`${name}.lock`, `--out ${output.out}`);
  try {
    return await predictTo(output, options);
  } finally {
    await lock.release();
  }
}

async function predictTo(output: Output, options: PredictOptions): Promise<PredictResult> {
  const { judge, input, stream, overwrite, resume, signal } = options;
  const { out, isFile, location } = output;
  const refuse = refuser(ConfigurationError, `--out ${out}`);
  if (stream === undefined && (await areSame(input, out))) {
    throw refuse('another place than the input', 'the input itself, which would be lost', 'choose another name');
  }
  const place = await JobPlace.open(out, location);
  if (overwrite) await place.clear();
  const isBegun = (await place.plans()).length > 0;
  if (isFile && !overwrite && (await isThere(out))) {
    const finished = isBegun ? await place.finishedFile(out) : undefined;
    if (finished !== undefined) {
      await place.clear(); // a program that was killed had written the output, and no more
      return finished;
    }
    if (!isBegun || !resume) {
      const remedy = isBegun
        ? 'replace it by what an unfinished job gives, with --resume, or start anew with --overwrite'
        : 'choose another name, or replace it with --overwrite';
      throw refuse('a file that does not exist yet', 'one that does', remedy);
    }
  }
  if (resume && !isBegun) {
    const remedy = 'leave --resume out to start one';
    throw refuser(ConfigurationError, '--resume')(`an unfinished job at ${location}`, 'none', remedy);
  }
  if (stream !== undefined) return predictStream({ ...options, stream }, output, place);
  options.onCounting?.();
  const shards = await shardsOf(options, isFile).catch((error: unknown) => {
    if (signal?.aborted !== true || error !== signal.reason) throw error;
    return null;
  });
  if (shards === null)
    return { outcome: 'interrupted', rows: 0, counts: null, out, rejected: null, parts: null, plan: null };
  for (const note of shards.notes) options.onNote?.(note);
  const identity = await identityOf(options, output, shards);
  const model = options.others?.model ?? { runs: judge.info.sources.map(({ folder }) => folder), checkpoint: null, engine: identity.engine }; // prettier-ignore
  const plan = await place.begin({ identity, model, shards }, options.others?.resources ?? NO_RESOURCES);
  return predictShards(options, output, place, plan);
}

/**
 * Cuts the input into shards, by nothing but how many posts there are: of one file small ones, which lose
 * little when they are interrupted, of parts fewer and larger ones.
 */
async function shardsOf(options: PredictOptions, isFile: boolean): Promise<ShardPlan> {
  const { input, out, columns, encoding, shardPosts, onPlanning, signal } = options;
  const onProgress = ({ files, of }: { readonly files: number; readonly of: number }): void => onPlanning?.(files, of);
  const [shards, least, most] = isFile ? [64, 100, 2000] : [64, 1000, 50_000];
  const byRows = (rows: number | null): number =>
    rows === null || rows <= least ? most : Math.min(most, Math.max(least, Math.ceil(rows / shards)));
  const rowsPerShard = shardPosts ?? byRows;
  return planShards(input, { rowsPerShard, columns, encoding, except: placesOf(out), onProgress, signal });
}

/** An output, and what stands beside it before it is whole. */
function placesOf(out: string): readonly string[] {
  const name = out.replace(/(?<=[^/])\/+$/, '');
  const rejected = rejectedPath(name);
  const places = [name, `${name}.partial`, `${name}.temporary`, rejected, `${rejected}.temporary`];
  return [...places, `${name}.lock`, `${name}.lock.guard`];
}

/** Rows of a file that are looked at for its columns: the first may be none. */
const FIRST_ROWS = 100;
const FILES_AT_ONCE = 8;

/**
 * The columns of all tables, in their order, by the first row of each; null where a file's rows may differ, so that only
 * reading all of them would tell.
 */
async function ownColumns({ judge, root }: PredictOptions, plan: ShardPlan): Promise<PartForm['ownColumns']> {
  if (plan.files.some(({ form }) => !['CSV', 'Parquet', 'folder'].includes(form.format))) return null;
  const storage = await openStorage(plan.location);
  const columnsOf = async (file: number): Promise<readonly string[]> => {
    const head = { ...plan, shards: [{ rows: FIRST_ROWS, parts: [{ file, row: 0, rows: FIRST_ROWS }] }] };
    for await (const row of readShard(storage, head, 0, { root, decoding: decodingOf(judge.info) })) {
      if ('own' in row) return Object.keys(inputValues(row.own));
    }
    return [];
  };
  const names = new Set<string>();
  for await (const columns of mapAhead(plan.files.keys(), FILES_AT_ONCE, columnsOf)) {
    for (const name of columns) names.add(name);
  }
  return [...names];
}

const NO_RESOURCES: UnitResources = { cores: 1, gpus: 0, memoryBytes: 0 };

/** @param shards null of a stream */
async function identityOf(
  options: PredictOptions,
  { isFile, format }: Output,
  shards: ShardPlan | null,
): Promise<JobIdentity> {
  const { judge, input, root, encoding, columns, others, rawCsv = false } = options;
  const model = modelIdentity(judge);
  const withFile = (shards?.files.length ?? 1) > 1;
  const isFlat = !isFile && format !== 'jsonl';
  return {
    ...model,
    run: others === undefined ? model.run : others.model.runs.join(' + '),
    input: isObjectLocation(input) || shards === null ? input : resolve(input),
    root: root === undefined || isObjectLocation(root) ? (root ?? null) : resolve(root),
    encoding: encoding === 'auto' ? null : (encoding ?? null),
    columns: columns ?? null,
    form: {
      format: isFile ? 'jsonl' : format, // a file is put together of JSON Lines, whatever its own format
      ownColumns: isFlat && shards !== null ? await ownColumns(options, shards) : null,
      withFile,
      rawCsv: format === 'csv' && !isFile && rawCsv,
    },
  };
}

/** Judges the shards of a plan that are not judged yet, and finishes the output where all are. */
async function predictShards(
  options: PredictOptions,
  output: Output,
  place: JobPlace,
  plan: PublishedPlan,
): Promise<PredictResult> {
  const { judge, seen = null, others, signal, onNote, onRejected, onProgress } = options;
  const { shards } = plan.settings as ScoreSettings;
  const total = shards.rows;
  const reports = await place.readReports(plan);
  const said = new Set<string>();
  let done = rowsOf(reports.values());
  const underWay = new Map<number, number>();
  const tell = (): void =>
    onProgress?.(
      [...underWay.values()].reduce((sum, rows) => sum + rows, done),
      total,
      { done: reports.size, total: plan.units.length },
    );
  const isHere = others === undefined || (total !== null && total - done < others.from);
  if (!isHere) await others.release?.();
  tell(); // where processes or a cluster have to start first, it takes some seconds to the next time
  const failures = await runUnits({
    plan,
    runner: isHere ? thisProcess(judge, seen) : others.runner,
    program: others?.program ?? NO_PROGRAM,
    lanes: others?.lanes,
    signal,
    onEvent: (event) => {
      if (event.kind === 'progress') underWay.set(event.index, event.progress.done);
      else if (event.kind !== 'done') underWay.delete(event.index);
      if (!reports.has(event.index)) tell();
    },
    onOutput: async (_, index) => {
      if (reports.has(index)) return;
      const report = await place.readReport(index);
      reports.set(index, report);
      underWay.delete(index);
      done += report.judged + report.rejected;
      if (report.firstRejected !== null) onRejected?.(report.firstRejected);
      for (const note of report.notes) {
        const kind = note.replace(/^.*, and perhaps others: /, ''); // said once, wherever it was found
        if (!said.has(kind)) onNote?.(note);
        said.add(kind);
      }
      tell();
    },
  });
  if (failures.length > 0) throw givenUp(options.input, plan, failures, done);
  const result = { rows: done, counts: null, out: output.out, rejected: null, parts: null, plan: plan.location };
  if (reports.size < plan.units.length)
    return { ...result, outcome: signal?.aborted === true ? 'interrupted' : 'planned' };
  const inOrder = [...reports].sort(([one], [other]) => one - other).map(([, report]) => report);
  return finish(options, output, place, inOrder, plan);
}

const NO_PROGRAM = new URL('node:none');

const rowsOf = (reports: Iterable<PartReport>): number =>
  Array.from(reports, ({ judged, rejected }) => judged + rejected).reduce((sum, rows) => sum + rows, 0);

const NAMED_FAILURES = 5;

function givenUp(input: string, plan: PublishedPlan, failures: readonly UnitFailure[], done: number): DataError {
  const named = failures.slice(0, NAMED_FAILURES).map(({ index, reason }) => `${plan.units[index]?.label}: ${reason}`);
  const more = failures.length > named.length ? `, and ${failures.length - named.length} more` : '';
  return refuser(DataError, `Judging ${input}`)(
    'all shards judged',
    `${failures.length} of ${plan.units.length} that were given up (${named.join('; ')}${more})`,
    `${done} rows are judged and stay; the same command goes on with the rest`,
  );
}

/**
 * What cannot be read again is judged in one go, by this process; an interruption ends the input there. Posts are judged as
 * they come, one after the other, so that what had come by then is in the output.
 */
async function predictStream(
  options: PredictOptions & { readonly stream: TableStream },
  output: Output,
  place: JobPlace,
): Promise<PredictResult> {
  const { judge, seen = null, input, signal, onNote, onProgress } = options;
  await place.assertFree();
  const identity = await identityOf(options, output, null);
  const part = await PartWriter.create(place.own.folder, 0, identity.form, identity.classes);
  try {
    const results = readUnlabeledPosts(input, { ...options, decoding: decodingOf(judge.info), onNote });
    let rows = 0;
    for await (const row of judgeRows(results, judge, seen, { ahead: 1 })) {
      await part.add(row);
      onProgress?.(++rows, null);
      if (signal?.aborted === true) break;
    }
    const report = await part.publish(place.parts);
    if (report.firstRejected !== null) options.onRejected?.(report.firstRejected);
    const result = await finish(options, output, place, [report], {
      hash: null,
      location: null,
      settings: { identity, shards: null },
    });
    return { ...result, outcome: signal?.aborted === true ? 'interrupted' : 'finished' };
  } finally {
    await part.discard();
  }
}

/** Makes the output of parts that are all there. */
async function finish(
  { rawCsv = false, judge }: PredictOptions,
  { out, isFile, format }: Output,
  place: JobPlace,
  reports: readonly PartReport[],
  plan: FinishedPlan,
): Promise<PredictResult> {
  const { classes } = judge.info;
  const counts = sumOfCounts(classes, reports);
  const rows = counts.judged + counts.rejected;
  const result = { outcome: 'finished', rows, counts, out, plan: plan.location } as const;
  await abortUploads(place.parts); // of processes that were killed
  if (!isFile) {
    await finishFolder(place.parts, plan, reports);
    await place.tidy();
    return { ...result, rejected: null, parts: reports.length };
  }
  const whole = { ...result, rejected: counts.rejected > 0 ? rejectedPath(out) : null, parts: null, plan: null };
  const { withFile } = (plan.settings as Pick<ScoreSettings, 'identity'>).identity.form;
  const made = { format, classes, rawCsv, withFile };
  if (isObjectLocation(out)) await assembleObject(out, place.parts, reports, made);
  else await assembleFile(out, place.parts, reports, made, (file) => place.noteFinished(file, whole));
  await place.clear();
  return whole;
}

async function isThere(out: string): Promise<boolean> {
  if (!isObjectLocation(out)) return (await stat(out).catch(() => undefined)) !== undefined;
  const [storage, name] = await objectOf(out);
  return (await storage.find(name)) !== undefined;
}

/** Whether two places are one, however they are written. */
async function areSame(first: string, second: string): Promise<boolean> {
  const [a, b] = await Promise.all([first, second].map((path) => stat(path).catch(() => undefined)));
  if (a !== undefined && b !== undefined) return a.dev === b.dev && a.ino === b.ino;
  return first.replace(/\/+$/, '') === second.replace(/\/+$/, '');
}
