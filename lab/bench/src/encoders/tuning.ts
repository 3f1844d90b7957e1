import { execFile } from 'node:child_process';
import { rm } from 'node:fs/promises';
import { promisify } from 'node:util';
import { createCompiledEngine } from '@drf/engine';
import { isParted, openTrainableEncoder, upperEncoder, type TrainableEncoder } from '@drf/encoders';
import {
  ADAMW_DEFAULTS,
  createConcatenation,
  prepareTraining,
  stepSchedule,
  withEncoders,
  type EncodedBatchInputs,
} from '@drf/model';
import {
  createRandom,
  flattenTree,
  hostTensor,
  sizeOf,
  type Engine,
  type Host,
  type HostTensor,
  type HostTree,
} from '@drf/tensor';
import { median } from '../measure.js';
import type { CallCounts } from './measure.js';
import { writeModel, type TuningSizes } from './testing/random-model.js';

const execute = promisify(execFile);

/** An encoder of which so many last layers are tuned, on hidden states that are at hand or from the contents on. */
export interface TuningCase {
  readonly part: 'bert' | 'vit';
  readonly layers: number | 'all';
  readonly cached: boolean;
}

export interface TuningReport extends TuningCase {
  /** Median of a step. */
  readonly seconds: number;
  /** Processor time of a step, all threads: what remains comparable when other work takes turns on the cores. */
  readonly cpuSeconds: number;
  /** Largest resident size of the process, start-up and the encoder's files in memory included. */
  readonly peakMegabytes: number;
  readonly trainedParameters: number;
  /** Processor time of the frozen layers, once a content; null where none are kept. */
  readonly secondsAContent: number | null;
}

/** All layers, the last four and the last two; frozen layers in the step, and kept. */
export function tuningCases(part: TuningCase['part'], layers: readonly TuningCase['layers'][]): TuningCase[] {
  return layers.flatMap((own) => (own === 'all' ? [false] : [false, true]).map((cached) => ({ part, layers: own, cached }))); // prettier-ignore
}

type AnyEncoder = TrainableEncoder<unknown>;

/** A case in this process, whose peak memory is the case's only where nothing else ran in it. */
export async function measureTuning(
  { part, layers, cached }: TuningCase,
  folder: string,
  sizes: TuningSizes,
  { calls, warmUp }: CallCounts,
): Promise<TuningReport> {
  const engine = await createCompiledEngine();
  const modality = part === 'vit' ? 'image' : 'text';
  const textLengths = [sizes.length];
  const encoder = (await openTrainableEncoder(`huggingface:${folder}`, modality, {
    trainableLayers: layers,
    ...(part === 'bert' ? { textLengths } : {}),
  })) as AnyEncoder;
  try {
    const contents = contentsOf(part, sizes);
    const upper = cached && isParted(encoder) ? upperEncoder(encoder, { engine, example: contents[0] }) : undefined;
    const inputs =
      upper === undefined ? await encoder.preprocess(contents) : await statesLike(encoder, contents, sizes);
    const { seconds: steps, cpuSeconds } = await runSteps(engine, upper ?? encoder, modality, inputs, {
      calls,
      warmUp,
    });
    const peakMegabytes = process.resourceUsage().maxRSS / 1024;
    const trained = [...flattenTree<HostTensor>(encoder.initialParameters)].filter(([name]) => encoder.isTrained(name));
    return {
      ...{ part, layers, cached, peakMegabytes },
      seconds: median(steps),
      cpuSeconds,
      trainedParameters: trained.reduce((sum, [, { shape }]) => sum + sizeOf(shape), 0),
      secondsAContent: upper === undefined ? null : await secondsOfStates(upper.states, contents),
    };
  } finally {
    await engine.dispose();
  }
}

function contentsOf(part: TuningCase['part'], { batch, length, image }: TuningSizes): unknown[] {
  const random = createRandom('contents');
  return Array.from({ length: batch }, () =>
    part === 'vit'
      ? { width: image, height: image, data: Uint8Array.from({ length: image * image * 3 }, () => random.integer(256)) }
      : Array.from({ length: length - 2 }, () => (random.integer(2) === 0 ? 'good' : 'bad')).join(' '),
  );
}

/** What the frozen layers would give, in shape: in a training that finds all of it in the cache, they never run. */
async function statesLike(encoder: AnyEncoder, contents: readonly unknown[], sizes: TuningSizes): Promise<HostTree> {
  const { dim, image, patch, length, batch } = sizes;
  const tokens = encoder.modality === 'image' ? Math.floor(image / patch) ** 2 + 1 : length;
  const random = createRandom('states');
  const states = hostTensor(Float32Array.from({ length: batch * tokens * dim }, () => random.normal()), [batch, tokens, dim]); // prettier-ignore
  return encoder.modality === 'image' ? { states } : { ...(await encoder.preprocess(contents)), states };
}

async function runSteps(
  engine: Engine,
  encoder: AnyEncoder,
  modality: 'image' | 'text',
  contents: HostTree,
  { calls, warmUp }: CallCounts,
): Promise<{ readonly seconds: readonly number[]; readonly cpuSeconds: number }> {
  const { outputDim: dim } = encoder;
  const head = createConcatenation({ dim }, { imageDim: dim, textDim: dim, classes: 3 });
  const method = withEncoders(head, { [modality]: encoder });
  const random = createRandom(0);
  const program = await prepareTraining(engine, method, method.initialParameters(random), ADAMW_DEFAULTS);
  const [first] = flattenTree<HostTensor>(contents).values();
  const batch = first?.shape[0] as number;
  const available = hostTensor(new Float32Array(batch).fill(1), [batch]);
  const features = hostTensor(
    Float32Array.from({ length: batch * dim }, () => random.normal()),
    [batch, dim],
  );
  const given = { available, contents };
  const other = { available, features };
  const inputs: Host<EncodedBatchInputs> = modality === 'image' ? { image: given, text: other } : { image: other, text: given }; // prettier-ignore
  const labels = hostTensor(Int32Array.from({ length: batch }, (_, i) => i % 3), [batch]); // prettier-ignore
  const seconds: number[] = [];
  let before = process.cpuUsage();
  for (let number = 0; number < warmUp + calls; number++) {
    if (number === warmUp) before = process.cpuUsage();
    const started = performance.now();
    const schedule = stepSchedule(number, 10_000, { encoder: 1e-5, head: 1e-4, floor: 1e-6 }, ADAMW_DEFAULTS);
    await program.learn({ batch: inputs, labels, memory: {}, schedule });
    if (number >= warmUp) seconds.push((performance.now() - started) / 1000);
  }
  const { user, system } = process.cpuUsage(before);
  await program.dispose();
  return { seconds, cpuSeconds: (user + system) / 1e6 / calls };
}

async function secondsOfStates(
  states: { compute(contents: readonly unknown[]): Promise<HostTree> },
  contents: readonly unknown[],
): Promise<number> {
  await states.compute(contents);
  const before = process.cpuUsage();
  await states.compute(contents);
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1e6 / contents.length;
}

/** Each case in a process of its own, whose peak memory then is the case's. */
export async function compareTuning(
  part: TuningCase['part'],
  layers: readonly TuningCase['layers'][],
  sizes: TuningSizes,
  counts: CallCounts,
  onCase?: (report: TuningReport) => void,
): Promise<TuningReport[]> {
  const folder = await writeModel(part, sizes);
  try {
    const reports: TuningReport[] = [];
    for (const own of tuningCases(part, layers)) {
      const numbers = Object.entries({ ...sizes, calls: counts.calls, 'warm-up': counts.warmUp });
      const words = [
        ...['tuning', '--json', '--model', folder, '--part', part, '--layers-trained', String(own.layers)],
        ...(own.cached ? ['--cached'] : []),
        ...numbers.flatMap(([name, value]) => [`--${name}`, String(value)]),
      ];
      const { stdout } = await execute(process.execPath, [...process.execArgv, process.argv[1] as string, ...words]);
      const report = JSON.parse(stdout) as TuningReport;
      reports.push(report);
      onCase?.(report);
    }
    return reports;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
