import { once } from 'node:events';
import { resolve } from 'node:path';
import { describeState, openJudge, type Judge, type Judgment } from '@drf/judge';
import { fetchFolders, isObjectLocation } from '@drf/storage';
import { ConfigurationError, DataError, MODALITIES, refuser, PAIRS } from '@drf/tensor';
import { availableResources, chooseRunner, unitResources, type UnitResources } from '@drf/units';
import {
  EXIT,
  ExitRequest,
  formatTable,
  interruptSignal,
  percent,
  startJob,
  startProgress,
  type Progress,
  spell,
} from '@drf/terminal';
import { explainOne, explanationText } from './explain-post.js';
import type { JobCounts } from './counts.js';
import { STREAM_FORMATS, type MainOptions } from './flags.js';
import { collectGarbage, onceClosed } from './once-closed.js';
import {
  predictPosts,
  UNIT_PROGRAM,
  type OtherProcesses,
  type PredictOptions,
  type PredictResult,
} from './predict-posts.js';
import { seenPosts, type ScoringModel } from './score-kind.js';
import { streamPredictions } from './stream-predictions.js';

/** `drf predict`. */
export async function predictAction(run: string, input: string | undefined, options: MainOptions): Promise<void> {
  assertOptions(input, options);
  const { engine, checkpoint, allowDownload } = options;
  const runs = [run, ...(options.with ?? [])].map((each) => (isObjectLocation(each) ? each : resolve(each)));
  const silent = options.quiet === true || options.json === true;
  const folders = await fetchFolders(runs, { silent });
  const threads = await threadsOfEach(options); // as other processes have, whose memory is measured by this one
  const judge = await onceClosed(() => openJudge(folders, { engine, checkpoint, allowDownload, threads }));
  try {
    if (options.quiet !== true) process.stderr.write(`${judge.info.notes.join('\n')}\n`);
    if (input === undefined) await judgeOne(judge, options);
    else if (goesToStandardOutput(options)) await judgeToStandardOutput(judge, input, options);
    else await judgeMany(judge, input, options, { runs, checkpoint: checkpoint ?? null, engine });
  } finally {
    await judge.close();
  }
}

/** @throws ConfigurationError for options that do not go together */
function assertOptions(input: string | undefined, options: MainOptions): void {
  const { text, image, out, resume, overwrite, format, explain, explainLabel, explainGrid } = options;
  const single = text !== undefined || image !== undefined;
  const refuse = (expected: string, received: string): ConfigurationError =>
    refuser(ConfigurationError, 'predict')(expected, received, `see ${spell('predict --help')}`);
  if (single && input !== undefined) throw refuse('an input, or --text and --image', 'both');
  if (!single && input === undefined) throw refuse('an input, or --text or --image', 'neither');
  if (single && out !== undefined) throw refuse('--out with an input only', '--out with one post');
  if (explain !== undefined && !single) throw refuse('--explain with one post: --text, --image, or both', 'an input');
  if (explain === undefined && (explainLabel ?? explainGrid) !== undefined) {
    throw refuse('--explain with --explain-label and --explain-grid', 'none');
  }
  if (typeof explain === 'string' && !/\.html?$/i.test(explain)) {
    throw refuse('--explain, or --explain FILE.html', `--explain ${explain} (name the run before it)`);
  }
  if (resume === true && (goesToStandardOutput(options) || input === STANDARD)) {
    throw refuse(
      '--resume with an input and an --out that are files',
      'standard input or output, which cannot be gone back to',
    );
  }
  if (format === 'parquet' && (input === STANDARD || goesToStandardOutput(options))) {
    throw refuse(`--format ${STREAM_FORMATS.join(' or ')} for standard input and output`, `--format ${format}`);
  }
  if (options.on !== 'local' && (single || input === STANDARD || goesToStandardOutput(options))) {
    throw refuse('--on with an input and an --out that are files, folders or prefixes', `--on ${options.on}`);
  }
  if (format !== undefined && single) throw refuse('--format with posts in a table', '--format with one post');
  if (resume === true && overwrite === true) throw refuse('--resume or --overwrite', 'both');
}

/** Stands for standard input and for standard output. */
const STANDARD = '-';

/** Rows of a table go there unless a file is named. */
function goesToStandardOutput({ out }: MainOptions): boolean {
  return out === undefined || out === STANDARD;
}

/** Standard input as a table; nothing where the input is a file or a folder. */
function streamOf(input: string, { format }: MainOptions, signal: AbortSignal): PredictOptions['stream'] {
  if (input !== STANDARD) return undefined;
  return { format: format === 'csv' ? 'CSV' : 'JSON Lines', chunks: standardInput(signal) };
}

/** Ends at the input's end, or when the signal says so, also while nothing comes. */
async function* standardInput(signal: AbortSignal): AsyncGenerator<Buffer> {
  const end = (): void => void process.stdin.destroy();
  signal.addEventListener('abort', end, { once: true });
  try {
    for await (const chunk of process.stdin) yield chunk as Buffer;
  } catch (error) {
    if (!signal.aborted) throw error;
  } finally {
    signal.removeEventListener('abort', end);
  }
}

/** What every way of judging many posts reads. */
async function readingOf(
  judge: Judge,
  input: string,
  options: MainOptions,
  signal: AbortSignal,
  say: (message: string) => void,
) {
  return {
    judge,
    seen: await seenPosts(judge, say),
    input: input === STANDARD ? 'standard input' : input,
    stream: streamOf(input, options, signal),
    root: options.root,
    encoding: options['dataset.encoding'],
    columns: options.columns,
    rawCsv: options.rawCsv,
    onNote: (message: string) => say(`note: ${message}`),
    signal,
  };
}

/** Each post as a line as soon as it is judged; everything else is said on standard error. */
async function judgeToStandardOutput(judge: Judge, input: string, options: MainOptions): Promise<void> {
  const silent = options.quiet === true || options.json === true;
  const say = (message: string): void => void (silent || process.stderr.write(`${message}\n`));
  const interrupt = interruptSignal(() => say('\nStopping after this post (Ctrl-C again ends at once) …'));
  try {
    const counts = await streamPredictions({
      ...(await readingOf(judge, input, options, interrupt.signal, say)),
      format: options.format === 'csv' ? 'csv' : 'jsonl',
      write: async (text) => {
        if (!process.stdout.write(text)) await once(process.stdout, 'drain');
      },
      onRejected: (row, detail) => say(`row ${row} is left out: ${detail}`),
    });
    say(countsText(counts));
    if (interrupt.signal.aborted) throw new ExitRequest(EXIT.interrupted);
    if (counts.judged === 0) throw nothingJudged(input, counts.rejected);
  } finally {
    interrupt.release();
  }
}

async function judgeOne(judge: Judge, options: MainOptions): Promise<void> {
  if (options.explain !== undefined) return explainPost(judge, options, options.explain);
  const judgment = await judge.judge({ text: options.text, image: options.image });
  process.stdout.write(options.json === true ? `${JSON.stringify(judgment)}\n` : `${judgmentText(judgment)}\n`);
}

async function explainPost(judge: Judge, options: MainOptions, explain: true | string): Promise<void> {
  const { text, image, explainLabel: label, explainGrid: grid, json, quiet } = options;
  const page = explain === true ? undefined : explain;
  const silent = quiet === true || json === true;
  const interrupt = interruptSignal(() => process.stderr.write('\nStopping (Ctrl-C again ends at once) …\n'));
  const progress = startJob({ label: 'Leaving out parts', unit: 'judgments', silent });
  const { signal } = interrupt;
  try {
    const explanation = await explainOne(judge, {
      text,
      image,
      label,
      grid,
      page,
      signal,
      onProgress: progress.update,
    });
    progress.stop();
    const { judgment, ...rest } = explanation;
    if (json === true) return void process.stdout.write(`${JSON.stringify({ ...judgment, explanation: rest })}\n`);
    process.stdout.write(`${judgmentText(judgment)}\n\n${explanationText(explanation)}\n`);
    if (page !== undefined) process.stdout.write(`Page: ${page}\n`);
  } catch (error) {
    throw signal.aborted ? new ExitRequest(EXIT.interrupted) : error;
  } finally {
    progress.stop();
    interrupt.release();
  }
}

async function judgeMany(judge: Judge, input: string, options: MainOptions, model: ScoringModel): Promise<void> {
  const silent = options.quiet === true || options.json === true;
  const say = (message: string): void => void (silent || process.stderr.write(`${message}\n`));
  const interrupt = interruptSignal(() => say('\nStopping (Ctrl-C again ends at once) …'));
  let progress: Progress | undefined;
  const planning = startJob({ label: 'Looking into files', unit: 'files', silent });
  let first = true;
  try {
    const result = await predictPosts({
      ...(await readingOf(judge, input, options, interrupt.signal, say)),
      out: options.out as string,
      format: input === STANDARD ? undefined : options.format,
      shardPosts: options.shardPosts,
      others: await otherProcesses(judge, options, model, say),
      resume: options.resume === true,
      overwrite: options.overwrite === true,
      onCounting: () => say('Counting rows …'),
      onPlanning: (files, of) => {
        if (of > 1) planning.update(files, of);
      },
      onProgress: (done, total, shards) => {
        if (shards === undefined) return; // of a stream nobody knows how much comes
        planning.stop();
        const counted = total === null ? { total: shards.total, unit: 'parts' } : { total, unit: 'posts' };
        const update = total === null ? shards.done : done;
        progress ??= startProgress({ label: 'Judging', ...counted, initial: update, silent });
        progress.update(update, total === null ? `${done} posts` : '');
      },
      onRejected: (message) => {
        if (first) say(`${message} (further ones go to the side file only)`);
        first = false;
      },
    });
    progress?.stop();
    report(result, options.json === true);
    if (result.outcome === 'interrupted') throw new ExitRequest(EXIT.interrupted);
    if (result.counts?.judged === 0) throw nothingJudged(input, result.counts.rejected);
  } finally {
    planning.stop();
    progress?.stop();
    interrupt.release();
  }
}

/**
 * Posts from which on processes of their own are worth their start, which costs about as much as judging two hundred by
 * the small encoders.
 */
const WORTH_PROCESSES = 400;

/** Who judges in place of this process; nobody where one process of this machine is asked for, or all that fits. */
async function otherProcesses(
  judge: Judge,
  options: MainOptions,
  model: ScoringModel,
  say: (line: string) => void,
): Promise<OtherProcesses | undefined> {
  const { on, jobs } = options;
  const runner = await chooseRunner(options, say);
  const isHere = on === 'local';
  const cores = isHere
    ? coresOfEach(judge, (await availableResources()).cores, jobs)
    : { each: 1, processes: Infinity };
  if (cores.processes === 1) return undefined;
  const from = isHere ? WORTH_PROCESSES : 0;
  const resources = unitResources(options, { ...(await resourcesOf(judge)), cores: cores.each });
  const release = async (): Promise<void> => {
    await judge.close();
    collectGarbage(); // others open the model now, and need the memory
  };
  return { model, runner, program: UNIT_PROGRAM, lanes: jobs, from, resources, release };
}

/** Threads of a judge where it is known beforehand that others judge in its place. */
async function threadsOfEach({ on, jobs = 1 }: MainOptions): Promise<number | undefined> {
  if (on !== 'local') return 1;
  return jobs === 1 ? undefined : Math.max(1, Math.floor((await availableResources()).cores / jobs));
}

/** Cores that one process keeps busy where its judge computes several posts at once: with more, the rest of it lags behind. */
const CORES_TOGETHER = 4;

/**
 * How the cores of this machine are divided among processes. One core each where a judge computes one post after the other,
 * since many side by side judge more than one that has all cores.
 */
function coresOfEach(
  { info: { preferredBatch = 1 } }: Judge,
  cores: number,
  jobs: number | undefined,
): { readonly each: number; readonly processes: number } {
  const processes = jobs ?? (preferredBatch === 1 ? cores : Math.ceil(cores / CORES_TOGETHER));
  return { each: preferredBatch === 1 ? 1 : Math.max(1, Math.floor(cores / processes)), processes };
}

/** About what this process takes. */
async function resourcesOf(judge: Judge): Promise<Omit<UnitResources, 'cores'>> {
  await judge.judge({ text: 'a post' }).catch(() => undefined); // some of what it takes, it takes at the first post
  const bytes = 1.25 * process.memoryUsage().rss;
  return { gpus: 0, memoryBytes: 2 ** Math.ceil(Math.log2(bytes)) }; // seldom another on the next start
}

function nothingJudged(input: string, rejected: number): DataError {
  return refuser(DataError, `Judging ${input}`)(
    'at least one post that can be judged',
    rejected === 0 ? 'no posts' : `${rejected} rows that cannot`,
    rejected === 0 ? 'check the input' : 'see the reasons that were given for each',
  );
}

function report(result: PredictResult, asJson: boolean): void {
  const { outcome, rows, counts, out, rejected, parts, plan } = result;
  const say = (line: string): void => void process.stdout.write(`${line}\n`);
  if (asJson) say(JSON.stringify(result));
  else if (outcome === 'planned') say(`Plan: ${plan}`);
  else if (counts === null) say(`Stopped after ${rows} rows. The same command goes on.`);
  else {
    say(
      `${countsText(counts)}\nOutput: ${out}${parts === null ? '' : ` (${parts} ${parts === 1 ? 'part' : 'parts'})`}`,
    );
    if (rejected !== null) say(`Rows that could not be judged, with reasons: ${rejected}`);
    else if (counts.rejected > 0) say('Rows that could not be judged, with reasons: its files rejected-*.jsonl');
  }
}

/** Classes that a person is shown; `--json` and files have all. */
const SHOWN_CLASSES = 20;

/** Pairs of features, as a person says them. */
const PAIR_WORDS: Readonly<Record<(typeof PAIRS)[number], string>> = {
  original: 'image and text as they are',
  imageAndRecoveredText: 'image with the text recovered from it',
  recoveredImageAndText: 'text with the image recovered from it',
};

/** A judgment for a person. */
function judgmentText(judgment: Judgment): string {
  const { label, probabilities, quality, pairWeights, recovered, unfamiliar } = judgment;
  const classes = Object.entries(probabilities).sort(([, a], [, b]) => b - a);
  const shown = classes.slice(0, SHOWN_CLASSES).map(([name, p]) => [name, percent(p)]);
  const lines = [`Label: ${label}`, '', formatTable(['class', 'probability, %'], shown)];
  if (classes.length > shown.length) lines.push(`and ${classes.length - shown.length} classes less likely`);
  const known = MODALITIES.filter((modality) => quality[modality] !== null);
  if (known.length > 0) {
    lines.push('', 'Quality: the share of posts like those of training that lie farther from the usual');
    lines.push(...known.map((modality) => `  ${modality}: ${percent(quality[modality] as number)} %`));
  }
  const state = describeState(judgment, (share) => `${percent(share)} %`);
  if (state !== '') lines.push('', state);
  if (pairWeights !== null) {
    const named = PAIRS.map((pair) => `${PAIR_WORDS[pair]} ${percent(pairWeights[pair])} %`);
    lines.push('', `Weights in the verdict: ${named.join(', ')}`);
  }
  if (recovered !== null) lines.push('', `The ${recovered} was missing; what stands for it was recovered.`);
  if (unfamiliar === true) lines.push('', 'Unlike the training posts: take this verdict with care.');
  return lines.join('\n');
}

/** A finished job for a person. */
function countsText({ judged, rejected, labels, unfamiliar, seen }: JobCounts): string {
  const share = (count: number): string => percent(judged === 0 ? 0 : count / judged);
  const names = Object.entries(labels);
  const listed = names.length > SHOWN_CLASSES ? names.sort(([, a], [, b]) => b - a).slice(0, SHOWN_CLASSES) : names;
  const table = formatTable(['label', 'posts', '%'], listed.map(([name, count]) => [name, count, share(count)])); // prettier-ignore
  const notes = [`${judged} posts judged`];
  if (listed.length < names.length) notes.push(`the ${listed.length} most frequent of ${names.length} labels`);
  if (unfamiliar > 0) notes.push(`${unfamiliar} of them unlike the training posts`);
  const { train, val } = seen;
  if (train + val > 0) {
    notes.push(`the run was trained on ${train} of them and validated on ${val} (column seen): of new posts, this says little`); // prettier-ignore
  }
  if (rejected > 0) notes.push(`${rejected} rows could not be judged`);
  return `${table}\n${notes.join('; ')}.`;
}
