import {
  applyDisruption,
  CORRUPTION_NAMES,
  parseStrategy,
  planDisruption,
  planDisruptions,
  presenceOf,
} from '@drf/disruption';
import { MODALITIES, type Post } from '@drf/tensor';
import {
  createProgram,
  engineOption,
  EXIT,
  ExitRequest,
  formatTable,
  oneOf,
  runApp,
  startProgress,
  wholeNumber,
  type Command,
} from '@drf/terminal';
import { compareWithPeer } from './bench-compare.js';
import { BASE_MODELS, measureEncoderEquality, type BaseModel, type EncoderEquality } from './bench-encoder-equality.js';
import { kernelTable, profileKernels } from './bench-kernels.js';
import { measureMemory } from './bench-memory.js';
import { measureMethods } from './bench-methods.js';
import { measurePredict, type PredictBenchReport } from './bench-predict.js';
import { measureStarts } from './bench-start.js';
import { measureStep } from './bench-step.js';
import { addEncodersCommands } from './encoders/command.js';
import { addEnginesCommand } from './engines/command.js';
import { addGrowthCommand } from './growth/command.js';
import { addPipelineCommand } from './pipeline/command.js';
import { addServeCommands } from './serve/command.js';
import { median } from './measure.js';
import { PEER_SIZES, type WorkloadSizes } from './workload.js';

interface CommonOptions extends WorkloadSizes {
  readonly steps: number;
  readonly json?: boolean;
}

/** Memory may grow by so much between the early and the late step. */
const LARGEST_GROWTH = 0.05;

/** Tolerances of encoder-equality: absolute for states, relative for gradients. */
const LARGEST_STATE_ERROR = 1e-4;
const LARGEST_GRADIENT_ERROR = 1e-3;

const program = createProgram('bench', 'Measures the training step of the DRF head.', [
  ['pnpm --silent bench step --json', 'one step on the workload of the PyTorch script'],
  ['pnpm bench compare --peer FILE.py', 'ours and a script in PyTorch, in turns'],
  ['pnpm bench step --engine eager:wasm --steps 3 --warm-up 1', 'the same step on tfjs'],
  ['pnpm bench kernels', 'where the time goes'],
  ['pnpm bench engines --engine compiled:cuda', 'whether a GPU computes what the CPU computes, and how fast'],
  ['pnpm bench encoders --only "vit step"', 'fine-tuning ViT-B/16, beside PyTorch'],
  ['pnpm bench tuning --part vit', 'what tuning the last layers alone costs, and hidden states that are kept'],
  ['pnpm bench encoders-memory --lengths 32,64,96,128', 'memory of 50 fine-tuning steps'],
  ['pnpm bench image-sizes cache/dinov2-small', 'a vision transformer at 224 and 112 pixels'],
  ['pnpm bench encoder-equality --python python3', 'full-size encoders against transformers'],
  ['pnpm bench serve runs/quickstart', 'the HTTP service under load and abuse'],
  ['pnpm bench pipeline --python PYTHON', 'the whole way of posts, beside a pipeline in Python'],
  ['pnpm bench batching runs/quickstart', 'whether encoding posts together would be the same, and faster'],
  ['pnpm bench disruption', 'what disrupting posts costs'],
  ['pnpm bench memory', 'resident size over 2,000 steps'],
  ['pnpm bench methods', 'a training step of every method'],
  ['pnpm bench start', 'how soon each command says something'],
  ['pnpm bench growth --charts docs/charts', 'how time and memory grow with posts, classes, queue, tokens and ranks'],
  ['pnpm bench predict --rows 1000000', 'memory while a million rows are judged by a stand-in'],
  ['pnpm bench predict --rows 10000 --run runs/quickstart', 'the same by a run'],
]);

function measured(name: string, description: string, steps: number): Command {
  return program
    .command(name)
    .description(description)
    .option('--batch <posts>', 'posts a batch', wholeNumber(2), PEER_SIZES.batch)
    .option('--dim <width>', 'width of the features', wholeNumber(1), PEER_SIZES.dim)
    .option('--queue <rows>', 'rows of each queue', wholeNumber(2), PEER_SIZES.queue)
    .option('--steps <count>', 'measured steps', wholeNumber(1), steps)
    .option('--json', 'print JSON');
}

function print(value: object, json: boolean | undefined, lines: () => string): void {
  process.stdout.write(json === true ? `${JSON.stringify(value)}\n` : `${lines()}\n`);
}

const round = (number: number | undefined, digits = 1): string => (number === undefined ? '-' : number.toFixed(digits));

measured('step', 'one head step, queues updated, median after warm-up', 100)
  .addOption(engineOption('compiled'))
  .option('--warm-up <count>', 'steps before the measurement', wholeNumber(0), 10)
  .action(async (options: CommonOptions & { readonly engine: string; readonly warmUp: number }) => {
    const report = await measureStep(options.engine, options, { ...options, peak: true });
    print(report, options.json, () =>
      formatTable(
        ['engine', 'ms/step', 'fastest', 'GFLOP/s', 'peak GFLOP/s', 'first ms', 'resident MiB'],
        [
          [
            report.engine,
            round(report.msPerStep),
            round(report.fastest),
            round(report.gflops),
            round(report.peakGflops),
            round(report.firstMs),
            round(report.residentMegabytes, 0),
          ],
        ],
      ),
    );
  });

measured('compare', 'ours and the PyTorch script in turns', 60)
  .requiredOption(
    '--peer <script>',
    'the same step in PyTorch, which prints {"msPerStep": …, "setting": …} for the fastest of its settings',
  )
  .option('--pairs <count>', 'paired runs', wholeNumber(1), 3)
  .option('--python <command>', 'a Python that has PyTorch (default: the first that has)')
  .action(
    async (options: CommonOptions & { readonly peer: string; readonly pairs: number; readonly python?: string }) => {
      const report = await compareWithPeer(options.peer, options, options);
      print(report, options.json, () =>
        [
          formatTable(
            ['ours ms/step', 'our threads', 'PyTorch ms/step', 'its setting', 'ratio'],
            report.runs.map((run) => [
              round(run.ours),
              run.ourSetting,
              round(run.peer),
              run.peerSetting,
              round(run.ours / run.peer, 2),
            ]),
          ),
          `median ratio ${round(report.ratio, 2)} (below 1: ours is faster)`,
        ].join('\n'),
      );
    },
  );

measured('kernels', 'time by kernel inside ONNX Runtime', 30)
  .option('--shapes', 'tell kernels apart by the shapes of their inputs')
  .option('--most <count>', 'only the costliest', wholeNumber(1))
  .action(async (options: CommonOptions & { readonly shapes?: boolean; readonly most?: number }) => {
    const report = await profileKernels(options, options.steps, options.shapes);
    print(report, options.json, () =>
      [
        kernelTable(report.kernels, options.most),
        `in kernels ${round(report.sessionMilliseconds)} ms, whole step ${round(report.stepMilliseconds)} ms (profiling on)`,
      ].join('\n'),
    );
  });

measured('memory', 'resident size early and late in a long run', 2000)
  .addOption(engineOption('compiled'))
  .option('--early <step>', 'first measurement after this step', wholeNumber(1), 200)
  .action(async (options: CommonOptions & { readonly engine: string; readonly early: number }) => {
    const report = await measureMemory(options, options);
    print(report, options.json, () => {
      const { early, late, growth } = report;
      const megabytes = (each: typeof early): string => `${round(each.megabytes, 0)} MiB after step ${each.step}`;
      return `${megabytes(early)}, ${megabytes(late)}: ${round(growth * 100, 2)} % growth`;
    });
    if (report.growth > LARGEST_GROWTH) throw new ExitRequest(EXIT.failed);
  });

program
  .command('methods')
  .description('a training step of every method, at the widths of the embedded encoders')
  .option('--batch <posts>', 'posts a batch', wholeNumber(2), 16)
  .option('--dim <width>', 'width of the feature space', wholeNumber(8), 256)
  .option('--steps <count>', 'measured steps', wholeNumber(1), 20)
  .option('--warm-up <count>', 'steps before the measurement', wholeNumber(0), 3)
  .option('--json', 'print JSON')
  .action(async (options: Parameters<typeof measureMethods>[0] & { readonly json?: boolean }) => {
    const times = await measureMethods(options);
    print(times, options.json, () =>
      formatTable(
        ['method', 'parameters', 'ms/step', 'fastest'],
        times.map(({ method, parameters, msPerStep, fastest }) => [
          method,
          parameters.toLocaleString('en-US'),
          round(msPerStep),
          round(fastest),
        ]),
      ),
    );
  });

program
  .command('encoder-equality')
  .description('ViT-B/16 and BERT-base against transformers: states and gradients; exit code 1 beyond the tolerances')
  .option('--python <command>', 'a Python that has torch and transformers', 'python3')
  .option('--only <model>', Object.keys(BASE_MODELS).join(', '), oneOf(Object.keys(BASE_MODELS)))
  .addOption(engineOption('compiled'))
  .option('--json', 'print JSON')
  .action(
    async (options: {
      readonly python: string;
      readonly only?: string;
      readonly engine: string;
      readonly json?: boolean;
    }) => {
      const reports: EncoderEquality[] = [];
      const kinds = options.only === undefined ? Object.keys(BASE_MODELS) : [options.only];
      for (const kind of kinds as BaseModel[]) {
        reports.push(await measureEncoderEquality(options.python, options.engine, kind));
      }
      print(reports, options.json, () =>
        formatTable(
          ['model', 'parameters', 'states, largest error', 'gradients, relative error', 'the worst gradient'],
          reports.map(({ model, parameters, forward, gradient, worstGradient }) => [
            model,
            parameters.toLocaleString('en'),
            forward.toExponential(1),
            gradient.toExponential(1),
            worstGradient,
          ]),
        ),
      );
      const fits = reports.every(
        ({ forward, gradient }) => forward <= LARGEST_STATE_ERROR && gradient <= LARGEST_GRADIENT_ERROR,
      );
      if (!fits) throw new ExitRequest(EXIT.failed);
    },
  );

const POST: Post = {
  id: '1',
  image: { width: 224, height: 224, data: Uint8Array.from({ length: 224 * 224 * 3 }, (_, i) => (i * 7919) % 251) },
  text: 'What a day: the bus was late again, it rained, and still I would not have missed it for the world.',
  label: 0,
};

interface DisruptionReport {
  /** Milliseconds a post, median, by strategy. */
  readonly postMs: Readonly<Record<string, number>>;
  readonly planThousandMs: number;
}

/** Milliseconds to disrupt one post of 224 × 224 pixels and 20 words, and to plan the disruption of 1,000. */
function measureDisruption(): DisruptionReport {
  const names = MODALITIES.flatMap((modality) => [
    `fixed:${modality}:C`,
    ...CORRUPTION_NAMES[modality].map((name) => `fixed:${modality}:${name}@5`),
  ]);
  const postMs = Object.fromEntries(
    names.map((name) => {
      const entry = planDisruption(presenceOf(POST), parseStrategy(name), 0) ?? undefined;
      const times = Array.from({ length: 30 }, () => {
        const start = performance.now();
        applyDisruption(POST, entry);
        return performance.now() - start;
      });
      return [name, median(times)];
    }),
  );
  const posts = Array.from({ length: 20_000 }, (_, i) => ({ id: String(i), hasImage: true, hasText: true }));
  const start = performance.now();
  planDisruptions(posts, { kind: 'modality-random', ratio: 0.6, setting: 'C+D' }, 0);
  return { postMs, planThousandMs: (performance.now() - start) / 20 };
}

program
  .command('disruption')
  .description('disrupting a post of 224 × 224 pixels and 20 words in every way, and planning a thousand posts')
  .option('--json', 'print JSON')
  .action(({ json }: { readonly json?: boolean }) => {
    const report = measureDisruption();
    print(report, json, () => {
      const rows = Object.entries(report.postMs).map(([name, ms]) => [name, round(ms, 2)]);
      return `${formatTable(['disruption', 'ms a post'], rows)}\n${round(report.planThousandMs, 1)} ms to plan a thousand posts`;
    });
  });

program
  .command('predict')
  .description('rate and memory of judging a file of texts; exit code 1 where memory grows by more than 5 %')
  .option('--rows <count>', 'texts', wholeNumber(100), 100_000)
  .option('--run <folder>', 'run or export that judges (default: a stand-in, for reading and writing alone)')
  .option('--jobs <counts>', 'with --run: processes that judge, one measurement after the other', '1,2')
  .option('--json', 'print JSON; no progress')
  .action(
    async ({
      rows,
      run,
      jobs,
      json,
    }: {
      readonly rows: number;
      readonly run?: string;
      readonly jobs: string;
      readonly json?: boolean;
    }) => {
      const reports: PredictBenchReport[] = [];
      for (const count of run === undefined ? [1] : jobs.split(',').map(wholeNumber(1))) {
        const progress = startProgress({ label: 'Judging', total: rows, unit: 'posts', silent: json === true });
        reports.push(
          await measurePredict({
            rows,
            jobs: count,
            ...(run === undefined ? {} : { run }),
            onProgress: (done) => progress.update(done),
          }),
        );
        progress.stop();
      }
      const [first] = reports as [PredictBenchReport];
      print(reports, json, () =>
        [
          `Judge: ${first.judge}`,
          formatTable(
            ['after row', 'resident, MiB', 'heap, MiB'],
            first.memory.map(({ row, megabytes, heapMegabytes }) => [
              row,
              round(megabytes, 0),
              round(heapMegabytes, 0),
            ]),
          ),
          ...reports.map(
            ({ jobs: processes, rowsASecond, peakMegabytes }) =>
              `${processes} at a time: ${round(rowsASecond, 0)} rows a second (${round(rowsASecond / first.rowsASecond, 2)} times the first), at most ${round(peakMegabytes ?? NaN, 0)} MiB in all`,
          ),
          `growth of memory ${round(first.growth * 100, 1)} %`,
        ].join('\n'),
      );
      if (first.growth > LARGEST_GROWTH) throw new ExitRequest(EXIT.failed);
    },
  );

program
  .command('start')
  .description('time until each built command prints its help, and until it says something of a small piece of work')
  .option('--tries <count>', 'measurements of each, of which the median counts', wholeNumber(1), 3)
  .option('--json', 'print JSON; no progress')
  .action(async ({ tries, json }: { readonly tries: number; readonly json?: boolean }) => {
    const say = (command: string, done: number, total: number): void => void (json !== true && process.stderr.write(`${done + 1}/${total} drf ${command}\n`)); // prettier-ignore
    const times = await measureStarts({ tries, onStart: say });
    print(times, json, () =>
      formatTable(
        ['command', 'until', 'seconds', 'processor seconds', 'wanted'],
        times.map(({ command, until, seconds, cpuSeconds, wantedSeconds }) => [
          `drf ${command}`,
          until,
          round(seconds, 2),
          round(cpuSeconds, 2),
          seconds <= wantedSeconds ? round(wantedSeconds) : `${round(wantedSeconds)}, missed`,
        ]),
      ),
    );
  });

addEncodersCommands(program);
addEnginesCommand(program);
addGrowthCommand(program);
addServeCommands(program);
addPipelineCommand(program);

await runApp(program);
