import { ConfigurationError } from '@drf/tensor';
import { keepFreedMemory } from '@drf/training';
import {
  engineOption,
  EXIT,
  ExitRequest,
  formatTable,
  oneOf,
  startProgress,
  wholeNumber,
  type Command,
} from '@drf/terminal';
import { compareEncoders, type EncoderComparison } from './compare.js';
import { kernelTable, profiled } from '../bench-kernels.js';
import { measureEncodersMemory } from '../bench-memory.js';
import { type ImageSizesOptions, measureImageSizes } from './image-sizes.js';
import { measureEncoders, type CallCounts, type EncoderTask, type SideReport } from './measure.js';
import { compareTuning, measureTuning, type TuningCase, type TuningReport } from './tuning.js';
import { BASE_SIZES, MODES, PARTS, type EncoderSizes } from './workload.js';

interface EncoderOptions extends EncoderSizes, CallCounts {
  readonly part: EncoderTask['part'];
  readonly mode: EncoderTask['mode'];
  readonly only?: string;
  readonly pairs: number;
  readonly python: string;
  readonly ours?: boolean;
  readonly spinning?: boolean;
  readonly profile?: boolean;
  readonly shapes?: boolean;
  readonly json?: boolean;
}

const TASKS: readonly (readonly [EncoderTask['part'], EncoderTask['mode']])[] = [
  ['vit', 'forward'],
  ['bert', 'forward'],
  ['vit', 'step'],
  ['bert', 'step'],
  ['both', 'step'],
];
const NAMES = TASKS.map((task) => task.join(' '));

function chosen(only: string | undefined): readonly (readonly [EncoderTask['part'], EncoderTask['mode']])[] {
  const tasks = TASKS.filter((task) => task.join(' ').includes(only ?? ''));
  if (tasks.length > 0) return tasks;
  throw new ConfigurationError({
    subject: 'option --only',
    expected: `a part of one of ${NAMES.map((name) => `"${name}"`).join(', ')}`,
    received: `"${only}"`,
  });
}

/** Memory may grow by so much between the early and the late step. */
const LARGEST_GROWTH = 0.05;

const round = (number: number, digits: number): string => number.toFixed(digits);

function sideRow(name: string, { seconds, cpuSeconds, peakMegabytes, setting }: SideReport): string[] {
  return [name, round(seconds, 2), round(cpuSeconds, 2), round(peakMegabytes, 0), setting];
}

function table({ part, mode, batch, pairs, ratios, postsPerSecond }: EncoderComparison): string {
  const rows = pairs.flatMap(({ ours, peer }) => [sideRow('PyTorch', peer), sideRow('ours', ours)]);
  return [
    `${part} ${mode}, batch ${batch}`,
    formatTable(['', 's a call', 'processor s', 'peak MiB', 'setting'], rows),
    `ours / PyTorch: time ${round(ratios.seconds, 2)}, processor time ${round(ratios.cpuSeconds, 2)}, peak memory ${round(ratios.peakMegabytes, 2)};` +
      ` posts a second: ours ${round(postsPerSecond.ours, 2)}, PyTorch ${round(postsPerSecond.peer, 2)}`,
  ].join('\n');
}

/** The sizes among the options. */
function sizesOf(options: EncoderSizes): EncoderSizes {
  const { batch, length, image, patch, dim, layers, heads, vocabulary, queue, recompute } = options;
  return { batch, length, image, patch, dim, layers, heads, vocabulary, queue, recompute };
}

async function compare(options: EncoderOptions): Promise<void> {
  const tasks = chosen(options.only);
  const total = tasks.length * options.pairs;
  const progress = startProgress({ label: 'Measuring', total, unit: 'pairs', silent: options.json === true });
  const reports: EncoderComparison[] = [];
  let done = 0;
  for (const [part, mode] of tasks) {
    const onPair = (): void => progress.update(++done);
    reports.push(await compareEncoders({ part, mode, sizes: sizesOf(options) }, options, { ...options, onPair }));
  }
  progress.stop();
  const text = options.json === true ? JSON.stringify(reports) : reports.map(table).join('\n\n');
  process.stdout.write(`${text}\n`);
}

/** Rows of a profile. */
const MOST_KERNELS = 20;

async function measureOurs(options: EncoderOptions): Promise<void> {
  const { part, mode, profile, shapes, spinning = false, json } = options;
  const task = { part, mode, sizes: sizesOf(options) };
  const isStep = mode === 'step';
  await keepFreedMemory({ encoders: { trainable: { image: isStep, text: isStep } } }); // as the command that trains does
  if (profile === true) {
    const { kernels } = await profiled(
      (profilePrefix) => measureEncoders(task, options, { spinning, profilePrefix }),
      shapes === true,
    );
    process.stdout.write(`${json === true ? JSON.stringify(kernels) : kernelTable(kernels, MOST_KERNELS)}\n`);
    return;
  }
  const report = await measureEncoders(task, options, { spinning });
  const text = formatTable(['', 's a call', 'processor s', 'peak MiB', 'setting'], [sideRow('ours', report)]);
  process.stdout.write(`${json === true ? JSON.stringify(report) : text}\n`);
}

interface GrowthOptions extends EncoderSizes {
  readonly lengths?: readonly number[];
  readonly early: number;
  readonly steps: number;
  readonly json?: boolean;
}

async function watchMemory(options: GrowthOptions): Promise<void> {
  const { steps, json, lengths = [options.length] } = options;
  const progress = startProgress({ label: 'Training', total: steps, unit: 'steps', silent: json === true });
  const onStep = (step: number): void => progress.update(step);
  const report = await measureEncodersMemory(sizesOf(options), lengths, { ...options, onStep });
  progress.stop();
  const { early, late, growth, peakMegabytes, secondsPerStep } = report;
  const at = (each: typeof early): string => `${round(each.megabytes, 0)} MiB after step ${each.step}`;
  const text = `${at(early)}, ${at(late)}: ${round(growth * 100, 2)} % growth; peak ${round(peakMegabytes, 0)} MiB, ${round(secondsPerStep, 1)} s a step`;
  process.stdout.write(`${json === true ? JSON.stringify(report) : text}\n`);
  if (growth > LARGEST_GROWTH) throw new ExitRequest(EXIT.failed);
}

/** "32,64" as numbers. */
function wholeNumbers(text: string): number[] {
  return text.split(',').map(wholeNumber(2));
}

function withSizes(command: Command): Command {
  return command
    .option('--batch <posts>', 'posts a call', wholeNumber(1), BASE_SIZES.batch)
    .option('--length <tokens>', 'tokens of a text', wholeNumber(2), BASE_SIZES.length)
    .option('--image <pixels>', 'side of an image', wholeNumber(2), BASE_SIZES.image)
    .option('--patch <pixels>', 'side of a patch', wholeNumber(1), BASE_SIZES.patch)
    .option('--dim <width>', 'width of the features', wholeNumber(1), BASE_SIZES.dim)
    .option('--layers <count>', 'layers of each encoder', wholeNumber(1), BASE_SIZES.layers)
    .option('--heads <count>', 'attention heads', wholeNumber(1), BASE_SIZES.heads)
    .option('--vocabulary <words>', 'word pieces', wholeNumber(2), BASE_SIZES.vocabulary)
    .option('--queue <rows>', 'rows of each queue of DRF', wholeNumber(2), BASE_SIZES.queue)
    .option('--recompute', 'compute the values of each layer anew in the gradient', BASE_SIZES.recompute)
    .option('--json', 'print JSON');
}

interface SizesOptions extends Omit<ImageSizesOptions, 'sizes' | 'layers'> {
  readonly sizes: readonly number[];
  readonly layers: number | 'all';
  readonly json?: boolean;
}

async function compareSizes(model: string, options: SizesOptions): Promise<void> {
  const results = await measureImageSizes(model, options);
  const [first] = results as [(typeof results)[number]];
  const rows = results.map(({ side, tokens, forward, step }) => [
    side,
    tokens,
    ...[forward, forward / first.forward, step, step / first.step].map((each) => round(each, 2)),
  ]);
  const header = ['pixels', 'patches', 'forward, ms an image', 'of the first', 'step, ms an image', 'of the first'];
  process.stdout.write(`${options.json === true ? JSON.stringify(results) : formatTable(header, rows)}\n`);
}

interface TuningOptions extends EncoderSizes, CallCounts {
  readonly part: TuningCase['part'];
  readonly layersTrained: readonly TuningCase['layers'][];
  readonly cached?: boolean;
  readonly model?: string;
  readonly json?: boolean;
}

const TUNED = ['bert', 'vit'] as const;

/** "all,4,2" */
function layerCounts(text: string): TuningCase['layers'][] {
  return text.split(',').map((each) => (each === 'all' ? 'all' : wholeNumber(0)(each)));
}

function tuningTable(reports: readonly TuningReport[]): string {
  const whole = reports.find(({ layers }) => layers === 'all');
  const rows = reports.map(
    ({ part, layers, cached, seconds, cpuSeconds, peakMegabytes, trainedParameters, secondsAContent }) => [
      part,
      layers === 'all' ? 'all' : `last ${layers}`,
      cached ? 'kept' : 'in the step',
      round(trainedParameters / 1e6, 1),
      round(seconds, 2),
      round(cpuSeconds, 2),
      whole === undefined ? '' : round(cpuSeconds / whole.cpuSeconds, 2),
      round(peakMegabytes, 0),
      secondsAContent === null ? '' : round(1000 * secondsAContent, 0),
    ],
  );
  const head = ['', 'layers trained', 'frozen layers', 'million trained', 's a step', 'processor s', 'of all', 'peak MiB', 'processor ms a content, once']; // prettier-ignore
  return formatTable(head, rows);
}

async function tune(options: TuningOptions): Promise<void> {
  const { part, layersTrained, cached = false, model, json } = options;
  const { batch, length, image, patch, dim, layers: depth, heads, vocabulary } = options;
  const sizes = { batch, length, image, patch, dim, layers: depth, heads, vocabulary };
  const [layers = 'all'] = layersTrained;
  const reports =
    model === undefined
      ? await compareTuning(part, layersTrained, sizes, options)
      : [await measureTuning({ part, layers, cached }, model, sizes, options)];
  const text = json === true ? JSON.stringify(model === undefined ? reports : reports[0]) : tuningTable(reports);
  process.stdout.write(`${text}\n`);
}

/** Adds `bench encoders`, `bench encoders-memory`, `bench image-sizes` and `bench tuning`. */
export function addEncodersCommands(program: Command): void {
  withSizes(program.command('encoders'))
    .description(
      'ViT-B/16 and BERT-base beside PyTorch in turns: time, processor time, peak memory, each in a fresh process',
    )
    .option('--only <name>', `tasks whose name holds this: ${NAMES.join(', ')}`)
    .option('--calls <count>', 'measured calls of a process', wholeNumber(1), 3)
    .option('--warm-up <count>', 'calls before the measurement', wholeNumber(0), 1)
    .option('--pairs <count>', 'paired runs', wholeNumber(1), 1)
    .option('--python <command>', 'a Python that has PyTorch and transformers', 'python3')
    .option('--ours', 'a single task on the compiled engine in this process, with --part and --mode')
    .option('--part <name>', PARTS.join(', '), oneOf(PARTS), 'both')
    .option('--mode <name>', MODES.join(', '), oneOf(MODES), 'step')
    .option('--spinning', 'with --ours: idle threads wait by spinning; without --ours, the faster way counts')
    .option('--profile', 'with --ours: time by kernel inside ONNX Runtime instead')
    .option('--shapes', 'with --profile: tell kernels apart by the shapes of their inputs')
    .action((options: EncoderOptions) => (options.ours === true ? measureOurs(options) : compare(options)));

  withSizes(program.command('encoders-memory'))
    .description('resident size while both encoders are fine-tuned under DRF; exit code 1 above 5 % growth')
    .option('--steps <count>', 'steps', wholeNumber(2), 50)
    .option('--early <step>', 'first measurement after this step', wholeNumber(1), 10)
    .option('--lengths <list>', 'lengths of the texts, in turns (32,64,96,128)', wholeNumbers)
    .action(watchMemory);

  program
    .command('image-sizes <model>')
    .description('a vision transformer (hub id or folder) at several image sizes: forward pass and training step')
    .option('--sizes <list>', 'sides in pixels', wholeNumbers, [224, 112])
    .option('--batch <posts>', 'images a call', wholeNumber(2), 16)
    .option(
      '--layers <count>',
      'trained layers, or all',
      (text) => (text === 'all' ? 'all' : wholeNumber(0)(text)),
      'all',
    )
    .option('--calls <count>', 'measured calls', wholeNumber(1), 3)
    .addOption(engineOption('compiled'))
    .option('--json', 'print JSON')
    .action(compareSizes);
  withSizes(program.command('tuning'))
    .description(
      'a step that tunes all layers of BERT-base or ViT-B/16, or the last ones, with frozen layers in the step and with ' +
        'hidden states that are kept: time and peak memory, each in a fresh process',
    )
    .option('--part <name>', TUNED.join(', '), oneOf(TUNED), 'bert')
    .option('--layers-trained <list>', 'all, or how many of the last layers, separated by commas', layerCounts, [
      'all',
      4,
      2,
    ])
    .option('--calls <count>', 'measured steps', wholeNumber(1), 3)
    .option('--warm-up <count>', 'steps before the measurement', wholeNumber(0), 1)
    .option('--model <folder>', 'a single case in this process, of this model')
    .option('--cached', 'with --model: on hidden states that are at hand')
    .action(tune);
}
