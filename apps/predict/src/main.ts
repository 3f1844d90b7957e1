import { ENGINE_NAMES } from '@drf/engine';
import { POST_COLUMNS, TEXT_ENCODINGS, type ColumnNames, type EncodingChoice } from '@drf/datasets';
import { describeCalibration, readSeenPosts, RunFolder, type SeenPosts } from '@drf/experiment';
import { openJudge, PostJudge, type JudgeOfPosts } from '@drf/predict';
import { ConfigurationError, DataError } from '@drf/tensor';
import {
  createProgram,
  EXIT,
  ExitRequest,
  interruptSignal,
  oneOf,
  runApp,
  startProgress,
  valuesByName,
  type Progress,
} from '@drf/terminal';
import { predictOne } from './one-post.js';
import { predictPosts, type PredictResult } from './predict-posts.js';
import { countsText, judgmentText } from './text.js';

interface MainOptions {
  readonly text?: string;
  readonly image?: string;
  readonly out?: string;
  readonly root?: string;
  readonly 'dataset.encoding': EncodingChoice;
  readonly columns?: ColumnNames;
  readonly checkpoint?: string;
  readonly engine: string;
  readonly allowDownload?: boolean;
  readonly resume?: boolean;
  readonly overwrite?: boolean;
  readonly rawCsv?: boolean;
  readonly quiet?: boolean;
  readonly json?: boolean;
}

const program = createProgram('predict', 'Judges posts of your own with a trained run.', [
  ['pnpm predict runs/quickstart --text "What a day!"', 'one post: text, image, or both'],
  ['pnpm predict runs/quickstart --text "Look" --image cat.jpg --json', 'the same for machines'],
  [
    'pnpm predict runs/quickstart posts.csv --out judged.csv',
    'a table with columns text, image, and id if there is one',
  ],
  ['pnpm predict runs/quickstart folder/ --out judged.parquet', 'a folder: 12.jpg and 12.txt are one post'],
  ['pnpm predict exported posts.csv --out judged.csv', 'by an export: the run itself is not needed'],
  ['pnpm predict runs/quickstart posts.jsonl --out judged.jsonl --resume', 'go on after an interruption'],
])
  .argument('<run>', 'folder of a trained run, or one that pnpm export wrote')
  .argument('[input]', 'a .jsonl, .csv, .tsv or .parquet file of posts, or a folder of images and texts')
  .option('--text <text>', 'text of one post')
  .option('--image <file>', 'image of one post')
  .option('--out <file>', 'where the judged posts go: .jsonl, .csv or .parquet')
  .option('--root <folder>', 'folder that image paths are relative to (default: that of the file)')
  .option(
    '--encoding, --dataset.encoding <name>',
    `of a table or a folder's texts: auto, ${TEXT_ENCODINGS.join(', ')}`,
    oneOf(['auto', ...TEXT_ENCODINGS]),
    'auto',
  )
  .option(
    '--columns <names>',
    'which column is which, such as text=tweet,image=photo',
    valuesByName(POST_COLUMNS, 'text=tweet,image=photo'),
  )
  .option('--checkpoint <file>', "a checkpoint of the run (default: the run's result)")
  .option('--engine <name>', ENGINE_NAMES.join(', '), oneOf(ENGINE_NAMES), 'auto')
  .option('--allow-download', 'fetch encoders that the run names and the cache lacks from the Hugging Face hub')
  .option('--resume', 'go on with the unfinished job of this --out')
  .option('--overwrite', 'replace the output, and forget an unfinished job')
  .option('--raw-csv', 'texts in CSV as they are, also those that a spreadsheet would run as a formula')
  .option('--quiet', 'no progress')
  .option('--json', 'print the result as JSON; no progress');
program.action(async (run: string, input: string | undefined, options: MainOptions) => {
  assertOptions(input, options);
  const { engine, checkpoint, allowDownload } = options;
  const judge = await openJudge(run, { engine, checkpoint, allowDownload });
  try {
    if (options.quiet !== true) process.stderr.write(`${describeCalibration(judge.calibration).join('\n')}\n`);
    if (input === undefined) await judgeOne(judge, options);
    else await judgeMany(judge, input, options);
  } finally {
    await judge.dispose();
  }
});

/** @throws ConfigurationError for options that do not go together */
function assertOptions(input: string | undefined, { text, image, out, resume, overwrite }: MainOptions): void {
  const single = text !== undefined || image !== undefined;
  const refuse = (expected: string, received: string): ConfigurationError =>
    new ConfigurationError({ subject: 'predict', expected, received, remedy: 'see pnpm predict --help' });
  if (single && input !== undefined) throw refuse('an input, or --text and --image', 'both');
  if (!single && input === undefined) throw refuse('an input, or --text or --image', 'neither');
  if (single && out !== undefined) throw refuse('--out with an input only', '--out with one post');
  if (!single && out === undefined) throw refuse('--out FILE (.jsonl, .csv or .parquet)', 'none');
  if (resume === true && overwrite === true) throw refuse('--resume or --overwrite', 'both');
}

async function judgeOne(judge: JudgeOfPosts, options: MainOptions): Promise<void> {
  const judgment = await predictOne(judge, options);
  process.stdout.write(options.json === true ? `${JSON.stringify(judgment)}\n` : `${judgmentText(judgment)}\n`);
}

async function judgeMany(judge: JudgeOfPosts, input: string, options: MainOptions): Promise<void> {
  const silent = options.quiet === true || options.json === true;
  const say = (message: string): void => void (silent || process.stderr.write(`${message}\n`));
  const interrupt = interruptSignal(() => say('\nStopping after this post (Ctrl-C again ends at once) …'));
  let progress: Progress | undefined;
  let first = true;
  try {
    const result = await predictPosts({
      judge,
      model: judge.source,
      seen: await seenPosts(judge, say),
      input,
      root: options.root,
      encoding: options['dataset.encoding'],
      columns: options.columns,
      out: options.out as string,
      rawCsv: options.rawCsv,
      resume: options.resume === true,
      overwrite: options.overwrite === true,
      onCounting: () => say('Counting rows …'),
      onNote: (message) => say(`note: ${message}`),
      onProgress: (done, total) => {
        progress ??= startProgress({ label: 'Judging', total, unit: 'posts', initial: done - 1, silent });
        progress.update(done);
      },
      onRejected: (row, detail) => {
        if (first) say(`row ${row} is left out: ${detail} (further ones go to the side file only)`);
        first = false;
      },
      signal: interrupt.signal,
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
  return new DataError({
    subject: `Judging ${input}`,
    expected: 'at least one post that can be judged',
    received: rejected === 0 ? 'no posts' : `${rejected} rows that cannot`,
    remedy: rejected === 0 ? 'check the path' : 'see the reasons in the side file',
  });
}

/** Exports, and runs of earlier versions, do not say which posts they know. */
async function seenPosts(judge: JudgeOfPosts, say: (message: string) => void): Promise<SeenPosts | null> {
  const seen = judge instanceof PostJudge ? await readSeenPosts(await RunFolder.open(judge.source.run)) : null;
  if (seen === null) {
    say(`${judge instanceof PostJudge ? 'The run' : 'An export'} does not say which posts were trained on: column seen stays empty.`); // prettier-ignore
  }
  return seen;
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

await runApp(program);
