import { basename, join, relative, resolve } from 'node:path';
import {
  csvReport,
  EvaluatedRuns,
  evaluateRun,
  evaluationFolder,
  shownPath,
  summaryCsv,
  trainingRecord,
  writeEvaluation,
  type Evaluation,
  type EvaluationOptions,
  type EvaluationResult,
  type OnProgress,
  type RunMember,
  type RunsSummary,
} from '@drf/evaluation';
import { linkTo, RunFolder } from '@drf/experiment';
import { contentHash, writeFileAtomic, writeJsonAtomic } from '@drf/files';
import { ConfigurationError } from '@drf/tensor';
import { openTracker, trackEvaluation } from '@drf/training';

export interface CommandOptions extends EvaluationOptions {
  /** Of several runs the method that the others are compared with; default: drf, else the first. */
  readonly reference?: string;
  /** Results go here instead of into the run; of several runs, a folder each, and the summary. */
  readonly out?: string;
  /** A further CSV file with the cells of all runs. */
  readonly csv?: string;
  /** Texts in CSV as they are, also those that a spreadsheet would run. */
  readonly rawCsv?: boolean;
  /** A server that gets the cells of each run, as of {@link openTracker}. */
  readonly track?: string;
  /** Told of each run as it is done. */
  readonly onResult?: (result: EvaluationResult, evaluation: Evaluation) => void;
  /** Told how far the comparisons are. */
  readonly onProgress?: OnProgress;
}

export interface CommandOutcome {
  readonly results: readonly EvaluationResult[];
  /** null for a single run, and for fewer than two whole ones. */
  readonly summary: RunsSummary | null;
  /** Every file written. */
  readonly written: readonly string[];
  /** What the tracking server was told, for people. */
  readonly notes: readonly string[];
  readonly interrupted: boolean;
}

/**
 * Evaluates runs one after the other, sharing data and encoders, and writes each one's files as soon as it is done; of
 * several runs also a summary.
 * @throws as {@link evaluateRun}; ConfigurationError when a run is named twice or a seed of a method occurs twice
 */
export async function evaluateRuns(paths: readonly string[], options: CommandOptions): Promise<CommandOutcome> {
  if (options.checkpoint !== undefined && paths.length > 1) {
    throw refuse('--checkpoint', 'a single run', `${paths.length} runs`, 'evaluate that run alone');
  }
  if (options.track !== undefined) openTracker(options.track); // refuses what is no server
  const runs = new EvaluatedRuns(await describeRuns(paths)); // refuses what could not be summarized, before any work
  try {
    return await evaluateInto(runs, paths, options);
  } finally {
    runs.close();
  }
}

async function evaluateInto(
  runs: EvaluatedRuns,
  paths: readonly string[],
  options: CommandOptions,
): Promise<CommandOutcome> {
  const folders = paths.length > 1 ? folderNames(paths) : [''];
  const written: string[] = [];
  const results: EvaluationResult[] = [];
  const notes: string[] = [];
  for (const [index, path] of paths.entries()) {
    const evaluation = await evaluateUnlessStopped(path, options);
    if (evaluation === undefined) break;
    const folder = folderOf(evaluation, folders[index] ?? '', options.out);
    written.push(...(await writeEvaluation(evaluation, folder, { raw: options.rawCsv })));
    results.push(evaluation.result);
    if (options.track !== undefined) {
      const { folder: run, description } = evaluation.run;
      notes.push(...(await trackEvaluation(openTracker(options.track), run, description.config, evaluation.result)));
    }
    if (paths.length > 1 && evaluation.result.missingCells.length === 0) {
      runs.add(evaluation.result, await trainingRecord(evaluation));
    }
    options.onResult?.(evaluation.result, evaluation);
    if (options.signal?.aborted === true) break;
  }
  if (options.csv !== undefined && results.length > 0) {
    await writeFileAtomic(options.csv, csvReport(results, { raw: options.rawCsv }));
    written.push(options.csv);
  }
  const whole = results.filter(({ missingCells }) => missingCells.length === 0).length;
  const summary = paths.length < 2 || whole < 2 ? null : await writeSummary(runs, paths, options, written);
  return { results, summary, written, notes, interrupted: whole < paths.length };
}

/** A run's result, or none when it was stopped before there was any. */
async function evaluateUnlessStopped(path: string, options: EvaluationOptions): Promise<Evaluation | undefined> {
  try {
    return await evaluateRun(path, options);
  } catch (error) {
    if (options.signal?.aborted === true && error === options.signal.reason) return undefined;
    throw error;
  }
}

async function describeRuns(paths: readonly string[]): Promise<RunMember[]> {
  const twice = paths.find((path, index) => paths.some((other, at) => at < index && resolve(other) === resolve(path)));
  if (twice !== undefined) throw refuse('eval', 'each run once', `${twice} twice`, 'leave one out');
  const members: RunMember[] = [];
  for (const path of paths) {
    const folder = await RunFolder.open(path);
    const { config, encoders } = await folder.readDescription();
    members.push({ path: shownPath(folder.path), config, encoders });
  }
  return members;
}

export function refuse(subject: string, expected: string, received: string, remedy: string): ConfigurationError {
  return new ConfigurationError({ subject, expected, received, remedy });
}

function folderOf({ result, run }: Evaluation, name: string, out: string | undefined): string {
  const own = evaluationFolder(result);
  if (out === undefined) return run.folder.file(own);
  const partial = own.endsWith('.partial') ? '.partial' : '';
  return name === '' ? `${out}${partial}` : join(out, `${name}${partial}`);
}

/** The runs' own names; with a number where two are called alike. */
function folderNames(paths: readonly string[]): string[] {
  const names = paths.map((path) => basename(resolve(path)));
  return names.map((name, index) => {
    const earlier = names.slice(0, index).filter((other) => other === name).length;
    return earlier === 0 ? name : `${name}-${earlier + 1}`;
  });
}

/** Writes `summary.json`, `.csv` and `.html` of the runs that are whole. */
async function writeSummary(
  runs: EvaluatedRuns,
  paths: readonly string[],
  { out, rawCsv, reference, onProgress }: CommandOptions,
  written: string[],
): Promise<RunsSummary> {
  const folder = out ?? join('runs', summaryName(paths));
  const reports = written.filter((path) => basename(path) === 'report.html');
  const links = reports.map((path, i) => {
    const words = `Evaluation of ${folderNames(paths)[i] ?? path}`;
    return { words, href: linkTo(relative(resolve(folder), resolve(path))) };
  });
  const { summary, html } = await runs.summarize(reference, onProgress, links);
  const file = (ending: string): string => join(folder, `summary.${ending}`);
  await writeFileAtomic(file('csv'), summaryCsv(summary, { raw: rawCsv }));
  await writeFileAtomic(file('html'), html);
  await writeJsonAtomic(file('json'), summary);
  written.push(file('csv'), file('html'), file('json'));
  return summary;
}

const LONGEST_NAME = 80;

/** `eval-` and the runs' names, or their hash where those would be long. */
export function summaryName(paths: readonly string[]): string {
  const names = folderNames(paths).join('+');
  const short = names.length <= LONGEST_NAME ? names : contentHash(...paths.map((path) => resolve(path))).slice(0, 12);
  return `eval-${short}`;
}
