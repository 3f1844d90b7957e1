import { once } from 'node:events';
import { readSeenPosts, SPLIT_NAMES, type SeenPosts, type SplitName } from '@drf/datasets';
import { openJudge, type Judge, type Judgment } from '@drf/judge';
import { fetchFolders } from '@drf/storage';
import { ConfigurationError, DataError, MODALITIES, refuser, PAIRS } from '@drf/tensor';
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
import { predictPosts, type PredictOptions, type PredictResult } from './predict-posts.js';
import { streamPredictions } from './stream-predictions.js';
import type { JobCounts } from './finish.js';
import type { MainOptions } from './flags.js';

/** `drf predict`. */
export async function predictAction(run: string, input: string | undefined, options: MainOptions): Promise<void> {
  assertOptions(input, options);
  const { engine, checkpoint, allowDownload } = options;
  const silent = options.quiet === true || options.json === true;
  const folders = await fetchFolders([run, ...(options.with ?? [])], { silent });
  const judge = await openJudge(folders, { engine, checkpoint, allowDownload });
  try {
    if (options.quiet !== true) process.stderr.write(`${judge.info.notes.join('\n')}\n`);
    if (input === undefined) await judgeOne(judge, options);
    else if (goesToStandardOutput(options)) await judgeToStandardOutput(judge, input, options);
    else await judgeMany(judge, input, options);
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
  if (format !== undefined && input !== STANDARD && !goesToStandardOutput(options)) {
    throw refuse(
      '--format with standard input or output only',
      `--format ${format} beside files, whose endings say it`,
    );
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
      format: options.format ?? 'jsonl',
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

async function judgeMany(judge: Judge, input: string, options: MainOptions): Promise<void> {
  const silent = options.quiet === true || options.json === true;
  const say = (message: string): void => void (silent || process.stderr.write(`${message}\n`));
  const interrupt = interruptSignal(() => say('\nStopping after this post (Ctrl-C again ends at once) …'));
  let progress: Progress | undefined;
  let first = true;
  try {
    const result = await predictPosts({
      ...(await readingOf(judge, input, options, interrupt.signal, say)),
      out: options.out as string,
      resume: options.resume === true,
      overwrite: options.overwrite === true,
      onCounting: () => say('Counting rows …'),
      onProgress: (done, total) => {
        if (total === null) return; // of a stream nobody knows how much comes
        progress ??= startProgress({ label: 'Judging', total, unit: 'posts', initial: done - 1, silent });
        progress.update(done);
      },
      onRejected: (row, detail) => {
        if (first) say(`row ${row} is left out: ${detail} (further ones go to the side file only)`);
        first = false;
      },
    });
    progress?.stop();
    report(result, options.json === true);
    if (result.outcome === 'interrupted') throw new ExitRequest(EXIT.interrupted);
    if (result.counts?.judged === 0) throw nothingJudged(input, result.counts.rejected);
  } finally {
    progress?.stop();
    interrupt.release();
  }
}

function nothingJudged(input: string, rejected: number): DataError {
  return refuser(DataError, `Judging ${input}`)(
    'at least one post that can be judged',
    rejected === 0 ? 'no posts' : `${rejected} rows that cannot`,
    rejected === 0 ? 'check the input' : 'see the reasons that were given for each',
  );
}

/**
 * The posts that the runs know; what stands in several splits counts as of the first of train, val and test. Exports, and
 * runs of earlier versions, do not say.
 */
async function seenPosts({ info }: Judge, say: (message: string) => void): Promise<SeenPosts | null> {
  const all = new Map<string, SplitName>();
  for (const { kind, folder } of info.sources) {
    const seen = kind === 'run' ? await readSeenPosts(folder) : null;
    if (seen === null) {
      say(
        `${kind === 'run' ? 'The run' : 'An export'} does not say which posts were trained on: column seen stays empty.`,
      );
      return null;
    }
    for (const [hash, split] of seen) {
      const other = all.get(hash);
      if (other === undefined || SPLIT_NAMES.indexOf(split) < SPLIT_NAMES.indexOf(other)) all.set(hash, split);
    }
  }
  return all;
}

function report(result: PredictResult, asJson: boolean): void {
  const { outcome, rows, counts, out, rejected } = result;
  if (asJson) process.stdout.write(`${JSON.stringify(result)}\n`);
  else if (counts === null || outcome === 'interrupted') {
    process.stdout.write(`Stopped after ${rows} rows. Go on with the same command and --resume.\n`);
  } else {
    process.stdout.write(`${countsText(counts)}\nOutput: ${out}\n`);
    if (rejected !== null) process.stdout.write(`Rows that could not be judged, with reasons: ${rejected}\n`);
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
