import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { availableParallelism, cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { ConfigurationError, PRODUCT_TYPES } from '@drf/tensor';
import { formatTable, Option, wholeNumber, withExamples, type Command } from '@drf/terminal';
import { pythonVersions } from './python.js';
import { serveTask } from './serve.js';
import { encodeTask, predictTask, trainTask, type TaskOptions } from './tasks.js';
import { describeSetting, measureTask, type Side, type SideResult, type Task, type TaskResult } from './turns.js';
import { prepareWorkplace, type Workplace, type WorkplaceOptions } from './workplace.js';

const PARTS = ['encode', 'predict', 'serve', 'train'] as const;
type Part = (typeof PARTS)[number];

export interface PipelineOptions extends Omit<WorkplaceOptions, 'folder'>, TaskOptions {
  readonly only: readonly Part[];
  readonly rounds: number;
  readonly clients: readonly number[];
  readonly requests: number;
  /** Told what is done next. */
  readonly onStep?: (step: string) => void;
}

export interface PipelineReport {
  readonly machine: { readonly processor: string; readonly cores: number };
  readonly versions: {
    readonly ours: Readonly<Record<string, string>>;
    readonly peer: Readonly<Record<string, string>>;
  };
  readonly rounds: number;
  readonly tasks: readonly TaskResult[];
}

/** Of Node and of the packages that do ours' work. */
async function ourVersions(): Promise<Readonly<Record<string, string>>> {
  const { resolve } = createRequire(createRequire(import.meta.url).resolve('@drf/onnx'));
  const manifest = async (name: string): Promise<string> => {
    const path = join(resolve(name).split(`/node_modules/${name}/`)[0] as string, 'node_modules', name, 'package.json');
    return (JSON.parse(await readFile(path, 'utf8')) as { readonly version: string }).version;
  };
  return { node: process.version, 'onnxruntime-node': await manifest('onnxruntime-node') };
}

function tasksOf(place: Workplace, options: PipelineOptions): Task[] {
  const { only, clients, some } = options;
  const byPart: Readonly<Record<Part, () => Task[]>> = {
    encode: () => (['image', 'text'] as const).map((modality) => encodeTask(place, modality, options)),
    predict: () => [predictTask(place, options)],
    serve: () => clients.map((count) => serveTask(place, { ...options, clients: count })),
    train: () => [trainTask(place, options)],
  };
  const tasks = PARTS.filter((part) => only.includes(part)).flatMap((part) => byPart[part]());
  const asItIs = (side: Side): Side => ({ ...side, stages: [] });
  return some > 0 ? tasks : tasks.map((task) => ({ ...task, ours: asItIs(task.ours), peer: asItIs(task.peer) }));
}

/**
 * The whole way of posts, ours beside a pipeline in Python with the same weights, each side by its best setting.
 * @throws UnavailableError where Python, a package, a model or the built program is missing, saying how to get it
 */
export async function measurePipeline(options: PipelineOptions): Promise<PipelineReport> {
  const { python, cores, rounds, onStep } = options;
  const peer = await pythonVersions(python);
  const folder = await mkdtemp(join(tmpdir(), 'drf-bench-pipeline-'));
  try {
    const place = await prepareWorkplace({ ...options, folder }, onStep);
    const tasks: TaskResult[] = [];
    for (const task of tasksOf(place, options)) tasks.push(await measureTask(task, rounds, onStep));
    const machine = { processor: cpus()[0]?.model ?? 'unknown', cores };
    return { machine, versions: { ours: await ourVersions(), peer }, rounds, tasks };
  } finally {
    await rm(folder, { recursive: true, force: true, maxRetries: 5 });
  }
}

function parts(text: string): Part[] {
  return text.split(',').map((name) => {
    const part = PARTS.find((each) => each === name);
    if (part !== undefined) return part;
    throw new ConfigurationError({ subject: 'option --only', expected: `some of ${PARTS.join(', ')}, separated by commas`, received: `"${name}"` }); // prettier-ignore
  });
}

const round = (number: number | null | undefined, digits = 1): string =>
  number === null || number === undefined || Number.isNaN(number) ? '-' : number.toFixed(digits);

function sideRow(name: string, side: SideResult): (string | number)[] {
  const { postsPerSecond, seconds, startSeconds, cpuSeconds, peakMegabytes, latency, setting } = side;
  return [
    name,
    round(postsPerSecond),
    round(seconds),
    round(startSeconds),
    round(cpuSeconds),
    round(peakMegabytes, 0),
    round(latency?.p50),
    round(latency?.p99),
    describeSetting(setting),
  ];
}

function describeTask({ task, ours, peer, ratios, agreement }: TaskResult): string {
  const head = ['', 'posts/s', 's in all', 'of it start', 'processor s', 'peak MiB', 'p50 ms', 'p99 ms', 'setting'];
  const agreed = Object.entries(agreement).map(([name, value]) => `${name} ${value.toPrecision(6)}`);
  return [
    `${task}: ${ours.posts} posts`,
    formatTable(head, [sideRow('ours', ours), sideRow('Python', peer)]),
    `ours / Python: posts a second ${round(ratios.postsPerSecond, 2)}, time in all ${round(ratios.seconds, 2)}, peak memory ${round(ratios.peakMegabytes, 2)}`,
    `agreement: ${agreed.join(', ')}`,
  ].join('\n');
}

export function describePipeline({ machine, versions, rounds, tasks }: PipelineReport): string {
  const list = (of: Readonly<Record<string, string>>): string =>
    Object.entries(of)
      .map(([name, version]) => `${name} ${version}`)
      .join(', ');
  return [
    `${machine.processor}, ${machine.cores} cores; medians of ${rounds} rounds that take turns in who goes first`,
    `ours: ${list(versions.ours)}`,
    `Python: ${list(versions.peer)}`,
    ...tasks.map((task) => `\n${describeTask(task)}`),
  ].join('\n');
}

/** Adds `bench pipeline`. */
export function addPipelineCommand(program: Command): void {
  const command = program
    .command('pipeline')
    .description(
      'the whole way of posts beside a pipeline in Python with the same weights: encoding from files, judging a table, ' +
        'answering over HTTP, training a head; each side by the best of several settings, in rounds that take turns',
    )
    .option('--python <command>', 'a Python with the packages that it names where they are missing', 'python3')
    .option('--only <list>', `some of ${PARTS.join(',')}`, parts, [...PARTS])
    .option('--data <file>', 'labeled posts, as for pnpm train --data (default: posts that pnpm data sample draws, as JPEGs)')
    .option('--root <folder>', 'folder that image paths of --data are relative to (default: that of the file)')
    .option('--posts <count>', 'posts that are judged; those that there are get repeated for it', wholeNumber(20), 20_000)
    .option('--some <count>', 'posts by which settings are compared; 0: the first of each side is taken', wholeNumber(0), 400)
    .option('--rounds <count>', 'of the best setting of each side', wholeNumber(1), 3)
    .option('--cores <count>', 'cores that settings make use of', wholeNumber(1), availableParallelism())
    .option('--clients <list>', 'serve: how many ask at once, one measurement after the other', (text) => text.split(',').map(wholeNumber(1)), [1, 8, 64])
    .option('--requests <count>', 'serve: of each measurement', wholeNumber(1), 2000)
    .option('--epochs <count>', 'train', wholeNumber(1), 5)
    .option('--batch-size <posts>', 'train', wholeNumber(2), 16)
    .option('--image-encoder <folder>', 'what encodes images', 'cache/dinov2-small')
    .option('--image-size <pixels>', 'side of the images that it reads', wholeNumber(1), 112)
    .option('--text-encoder <folder>', 'what encodes texts', 'cache/minilm')
    .addOption(new Option('--precision <name>', 'of products of our encoders, in a run of its own; those of the peer stay in float32').choices(PRODUCT_TYPES).default('float32'))
    .option('--seed <number>', 'of the posts', wholeNumber(), 0)
    .option('--json', 'print JSON; no progress')
    .action(async ({ json, ...options }: Omit<PipelineOptions, 'onStep'> & { readonly json?: boolean }) => {
      const say = (step: string): void => void process.stderr.write(`${step} …\n`);
      const report = await measurePipeline({ ...options, ...(json === true ? {} : { onStep: say }) });
      process.stdout.write(`${json === true ? JSON.stringify(report) : describePipeline(report)}\n`);
    }); // prettier-ignore
  withExamples(command, [
    ['node scripts/fetch-dinov2.mjs && node scripts/fetch-minilm.mjs', 'the encoders, once'],
    ['pnpm bench pipeline --python PYTHON', 'everything, on 20,000 drawn posts, which takes long'],
    ['pnpm bench pipeline --python PYTHON --only encode,predict --data posts.csv --posts 3000', 'posts of your own'],
    ['pnpm bench pipeline --python PYTHON --only serve --clients 1,8 --requests 500 --posts 200', 'the services alone'],
    ['pnpm bench pipeline --python PYTHON --only encode,predict --precision int8', 'our encoders in int8'],
    ['pnpm bench pipeline --python PYTHON --posts 100 --some 0 --rounds 1 --requests 100', 'a quick look whether all works'],
  ]); // prettier-ignore
}
