import { basename, join, resolve } from 'node:path';
import { RunFolder } from '@drf/experiment';
import { contentHash, writeFileAtomic, writeJsonAtomic } from '@drf/files';
import { ConfigurationError } from '@drf/tensor';
import type { RunResult } from '@drf/evaluation';
import { csvReport } from '@drf/evaluation';
import { evaluateRun, type Evaluation, type EvaluationOptions } from '@drf/evaluation';
import { groupRuns, type GroupMember } from '@drf/evaluation';
import { matchedCurves } from '@drf/evaluation';
import { shownPath } from '@drf/evaluation';
import type { EvaluationResult } from '@drf/evaluation';
import { summarizeGroups } from '@drf/evaluation';
import { summaryCsv, summaryHtml, type FullSummary } from '@drf/evaluation';
import { evaluationFolder, writeEvaluation } from '@drf/evaluation';

export interface CommandOptions extends EvaluationOptions {
  /** Results go here instead of into the run; of several runs, a folder each, and the summary. */
  readonly out?: string;
  /** A further CSV file with the cells of all runs. */
  readonly csv?: string;
  /** Texts in CSV as they are, also those that a spreadsheet would run. */
  readonly rawCsv?: boolean;
  /** Told of each run as it is done. */
  readonly onResult?: (result: EvaluationResult) => void;
}

export interface CommandOutcome {
  readonly results: readonly EvaluationResult[];
  /** null for a single run, and for fewer than two whole ones. */
  readonly summary: FullSummary | null;
  /** Every file written. */
  readonly written: readonly string[];
  readonly interrupted: boolean;
}

/**
 * Evaluates runs one after the other, sharing data and encoders, and writes each one's files as soon as it is done; of
 * several runs also a summary.
 * @throws as {@link evaluateRun}; ConfigurationError when a run is named twice or a seed of a method occurs twice
 */
export async function evaluateRuns(paths: readonly string[], options: CommandOptions): Promise<CommandOutcome> {
  if (options.checkpoint !== undefined && paths.length > 1) throw oneRunOnly(paths.length);
  const members = await describeRuns(paths);
  if (members.length > 1) groupRuns(members); // refuses what could not be summarized, before any work
  const folders = paths.length > 1 ? folderNames(paths) : [''];
  const written: string[] = [];
  const done: RunResult[] = [];
  for (const [index, member] of members.entries()) {
    const evaluation = await evaluateUnlessStopped(member.path, options);
    if (evaluation === undefined) break;
    const { result } = evaluation;
    const folder = folderOf(evaluation, folders[index] as string, options.out);
    written.push(...(await writeEvaluation(evaluation, folder, { raw: options.rawCsv })));
    done.push({ ...member, result });
    options.onResult?.(result);
    if (options.signal?.aborted === true) break;
  }
  const results = done.map(({ result }) => result);
  if (options.csv !== undefined && results.length > 0) {
    await writeFileAtomic(options.csv, csvReport(results, { raw: options.rawCsv }));
    written.push(options.csv);
  }
  const summary = await summarize(done, paths, options, written);
  const whole = results.length === paths.length && results.every(({ missingCells }) => missingCells.length === 0);
  return { results, summary, written, interrupted: !whole };
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

async function describeRuns(paths: readonly string[]): Promise<GroupMember[]> {
  const twice = paths.find((path, index) => paths.some((other, at) => at < index && resolve(other) === resolve(path)));
  if (twice !== undefined) {
    throw new ConfigurationError({
      subject: 'eval',
      expected: 'each run once',
      received: `${twice} twice`,
      remedy: 'leave one out',
    });
  }
  const members: GroupMember[] = [];
  for (const path of paths) {
    const folder = await RunFolder.open(path);
    const { config, encoders } = await folder.readDescription();
    members.push({ path: shownPath(folder.path), config, encoders });
  }
  return members;
}

function oneRunOnly(count: number): ConfigurationError {
  return new ConfigurationError({
    subject: '--checkpoint',
    expected: 'a single run',
    received: `${count} runs`,
    remedy: 'evaluate that run alone',
  });
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
async function summarize(
  done: readonly RunResult[],
  paths: readonly string[],
  { out, rawCsv }: Pick<CommandOptions, 'out' | 'rawCsv'>,
  written: string[],
): Promise<FullSummary | null> {
  const whole = done.filter(({ result }) => result.missingCells.length === 0);
  if (paths.length < 2 || whole.length < 2) return null;
  const summary: FullSummary = { ...summarizeGroups(groupRuns(whole)), matched: matchedCurves(whole) };
  const folder = out ?? join('runs', summaryName(paths));
  const file = (ending: string): string => join(folder, `summary.${ending}`);
  await writeFileAtomic(file('csv'), summaryCsv(summary, { raw: rawCsv }));
  await writeFileAtomic(file('html'), summaryHtml(summary));
  await writeJsonAtomic(file('json'), summary);
  written.push(file('csv'), file('html'), file('json'));
  return summary;
}

const LONGEST_NAME = 80;

/** `eval-` and the runs' names, or their hash where those would be long. */
function summaryName(paths: readonly string[]): string {
  const names = folderNames(paths).join('+');
  const short = names.length <= LONGEST_NAME ? names : contentHash(...paths.map((path) => resolve(path))).slice(0, 12);
  return `eval-${short}`;
}
