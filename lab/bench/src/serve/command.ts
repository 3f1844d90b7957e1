import { EXIT, ExitRequest, formatTable, percent, startProgress, wholeNumber, type Command } from '@drf/terminal';
import type { AbuseReport } from './abuse.js';
import { measureBatching, type BatchingRow } from './batching.js';
import { measureServe, type ServeReport } from './measure.js';

/** Memory may grow by so much between a tenth of many requests and their end. */
const LARGEST_GROWTH = 0.1;
/** Fewer say nothing about it. */
const MANY_REQUESTS = 10_000;

/** Under abuse, the service may hold so much more: the bodies that it lets in at once, several times over. */
const LARGEST_ABUSE_MEBIBYTES = 768;

const round = (number: number, digits = 1): string => number.toFixed(digits);

interface ServeFlags {
  readonly clients: readonly number[];
  readonly requests: number;
  readonly posts: number;
  readonly abuseSeconds: number;
  readonly workers: number;
  readonly seed: number;
  readonly json?: boolean;
}

async function serveCommand(run: string, flags: ServeFlags): Promise<void> {
  const silent = flags.json === true;
  const total = Math.ceil(flags.requests / flags.clients.length) * flags.clients.length;
  const progress = startProgress({ label: 'Asking', total, unit: 'requests', silent });
  const report = await measureServe({ ...flags, run, onProgress: (done, note) => progress.update(done, note) });
  progress.stop();
  process.stdout.write(silent ? `${JSON.stringify(report)}\n` : `${describe(report)}\n`);
  if (!holds(report, flags.requests)) throw new ExitRequest(EXIT.failed);
}

/** Every request has its right answer, the service ended as it should, and memory did not grow. */
function holds({ loads, megabytes, abuse, exitCode }: ServeReport, requests: number): boolean {
  const answered = loads.every(({ wrong, refused, lost }) => wrong + refused + lost === 0);
  return (
    answered &&
    (abuse === null || survived(abuse)) &&
    exitCode === 0 &&
    (requests < MANY_REQUESTS || megabytes.growth <= LARGEST_GROWTH)
  );
}

function survived({ honest, megabytes }: AbuseReport): boolean {
  const { right, wrong, lost } = honest;
  return right > 0 && wrong + lost === 0 && megabytes.peak - megabytes.before <= LARGEST_ABUSE_MEBIBYTES;
}

function describe({ loads, stages, megabytes, abuse, exitCode }: ServeReport): string {
  const table = formatTable(
    ['clients', 'requests', 'right', 'wrong', 'refused', 'lost', 'a second', 'directly', 'ratio', 'p50 ms', 'p95 ms', 'p99 ms'],
    loads.map((load) => [
      load.clients,
      load.requests,
      load.right,
      load.wrong,
      load.refused,
      load.lost,
      round(load.requestsPerSecond),
      round(load.directPerSecond),
      round(load.ratio, 2),
      round(load.milliseconds.p50),
      round(load.milliseconds.p95),
      round(load.milliseconds.p99),
    ]),
  ); // prettier-ignore
  const { early, late, peak, growth } = megabytes;
  return [
    table,
    `Inside, of a post: decoding ${round(stages.decode)} ms, waiting for the judge ${round(stages.wait)} ms, judging ${round(stages.judge)} ms`,
    `Memory: ${round(early, 0)} MiB after a tenth of the requests, ${round(late, 0)} MiB after all (${percent(growth)} %), at most ${round(peak, 0)} MiB`,
    ...(abuse === null ? [] : [describeAbuse(abuse)]),
    `Told to end, it ended with ${exitCode}`,
  ].join('\n');
}

function describeAbuse({ seconds, honest, answers, healthMilliseconds: health, megabytes }: AbuseReport): string {
  const { before, peak, after } = megabytes;
  return [
    '',
    `${seconds} s of abuse. Honest posts meanwhile: ${honest.right} right, ${honest.wrong} wrong, ${honest.refused} sent again after 503 or 429, ${honest.lost} lost`,
    formatTable(
      ['abuse', 'answers'],
      Object.entries(answers).map(([kind, row]) => [
        kind,
        Object.entries(row)
          .map(([answer, count]) => `${answer}: ${count}`)
          .join(', '),
      ]),
    ),
    `GET /healthz meanwhile: ${round(health.p50)} ms in the middle, ${round(health.p99)} ms at the 99th percentile, ${round(health.most)} ms at most`,
    `Memory: ${round(before, 0)} MiB before, at most ${round(peak, 0)} MiB, ${round(after, 0)} MiB after`,
  ].join('\n');
}

interface BatchingFlags {
  readonly batches: readonly number[];
  readonly rounds: number;
  readonly seed: number;
  readonly json?: boolean;
}

async function batchingCommand(run: string, flags: BatchingFlags): Promise<void> {
  const rows = await measureBatching(run, flags);
  const cells = (row: BatchingRow): (string | number)[] => [
    row.modality,
    row.batch,
    round(row.milliseconds, 2),
    round(row.timeRatio, 2),
    `${row.differing} of ${row.contents}`,
    row.largestDifference.toExponential(1),
  ];
  const head = ['encoder', 'at once', 'ms each', 'beside alone', 'features that differ', 'by at most'];
  process.stdout.write(flags.json === true ? `${JSON.stringify(rows)}\n` : `${formatTable(head, rows.map(cells))}\n`);
}

function wholeNumbers(text: string): number[] {
  return text.split(',').map(wholeNumber(1));
}

/** Adds `bench serve` and `bench batching`. */
export function addServeCommands(program: Command): void {
  program
    .command('serve')
    .description(
      'the service under load and abuse, beside the run called directly; exit code 1 for a wrong or lost answer, more than ' +
        `${LARGEST_ABUSE_MEBIBYTES} MiB under abuse, or ` +
        `(from ${MANY_REQUESTS.toLocaleString('en')} requests on) memory that grows by more than ${100 * LARGEST_GROWTH} %`,
    )
    .argument('[run]', 'folder of a trained run', 'runs/quickstart')
    .option('--clients <list>', 'how many ask at once, in turns', wholeNumbers, [1, 8, 64])
    .option('--requests <count>', 'in all, in equal parts', wholeNumber(1), 1500)
    .option('--posts <count>', 'different posts', wholeNumber(10), 40)
    .option('--workers <count>', 'processes that serve', wholeNumber(1, 64), 1)
    .option('--abuse-seconds <time>', 'how long it is abused; 0: not', wholeNumber(0), 10)
    .option('--seed <number>', 'of the posts', wholeNumber(), 0)
    .option('--json', 'print JSON; no progress')
    .action(serveCommand);
  program
    .command('batching')
    .description('would encoding several posts at once be faster, and the same to the last bit?')
    .argument('[run]', 'folder of a trained run', 'runs/quickstart')
    .option('--batches <list>', 'posts at once', wholeNumbers, [2, 4, 8])
    .option('--rounds <count>', 'measured rounds', wholeNumber(1), 5)
    .option('--seed <number>', 'of the posts', wholeNumber(), 0)
    .option('--json', 'print JSON')
    .action(batchingCommand);
}
