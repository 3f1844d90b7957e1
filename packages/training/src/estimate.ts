import { createHash } from 'node:crypto';
import {
  areFeatures,
  createEncodedMethod,
  encodeRecords,
  isFeatureSet,
  isUpper,
  discriminantShare,
  measureClassWeights,
  measureExperimentGraphs,
  measureFeatures,
  measureTokens,
  methodNeeds,
  methodShapes,
  postsCalibrationJudges,
  releaseFrozenLayers,
  RunFolder,
  selectPosts,
  simulationOptions,
  surveyEncoding,
  trainedEncoders,
  withCachedStates,
  withInitialFeatures,
  type CalibrationCase,
  type EncodedOutput,
  type EncodingNeed,
  type ExperimentConfig,
  type ExperimentData,
  type PostSet,
  type Session,
} from '@drf/experiment';
import type { PostRecord } from '@drf/datasets';
import type { Checkpoint } from '@drf/model';
import { localFeatureCache } from '@drf/storage';
import {
  byModality,
  createRandom,
  DataError,
  flattenTree,
  refuser,
  sizeOf,
  type HostTensor,
  type Modality,
} from '@drf/tensor';
import { formatDuration, formatTable, spell } from '@drf/terminal';
import { assertLearnable } from './data-summary.js';
import type { Display } from './display.js';
import { assertRoomForStates, freeBytes, sizeText, trainingViews } from './state-room.js';
import { Trainer } from './trainer.js';
import type { TrainOptions } from './train.js';

/** What is encoded of one kind, and how long that takes. */
export type EncodingEstimate = EncodingNeed & {
  /** Measured, of one content; null where everything is there already. */
  readonly secondsEach: number | null;
  readonly seconds: number;
};

/** What a training will take on this machine: {@link estimateTraining}. */
export interface TrainingEstimate {
  readonly posts: { readonly train: number; readonly val: number };
  readonly epochs: number;
  readonly steps: number;
  /** Trainings that are estimated: the folds of a cross-validation, else 1. */
  readonly trainings: number;
  /** Trained and all parameters, of the method and of the encoders that train. */
  readonly parameters: { readonly trained: number; readonly all: number };
  readonly encoding: readonly EncodingEstimate[];
  /** Of all trainings together. */
  readonly seconds: {
    /** Opening data and encoders, and making step and encoders ready; measured. */
    readonly start: number;
    readonly encoding: number;
    /** Images that a trained encoder reads are decoded once, to see that they can be. */
    readonly checking: number;
    /** Of encoders as they are before training, for standardization. */
    readonly measuring: number;
    readonly steps: number;
    readonly validation: number;
    /** Reading and hashing them, not the disk. */
    readonly checkpoints: number;
    /** Encoding the training posts, intact and corrupted, and judging the validation posts once more. */
    readonly discriminants: number;
    readonly calibration: number;
    readonly total: number;
  };
  readonly secondsPerStep: number;
  readonly bytes: {
    /** The most memory of the process in the rehearsal, and with the features that the training holds beside. */
    readonly memory: number;
    /** Disk for features and hidden states that are lacking, and for the checkpoints that are kept. */
    readonly features: number;
    readonly states: number;
    readonly checkpoints: number;
    /** Free where features and runs go. */
    readonly freeForCache: number | null;
    readonly freeForRuns: number | null;
  };
}

export interface EstimateOptions extends Pick<TrainOptions, 'config' | 'cache' | 'signal' | 'services'> {
  /** Where the run would go. */
  readonly out: string;
  readonly display: Display;
  /** Trainings of the same posts, one a fold. Default: 1. */
  readonly trainings?: number;
  readonly openData: () => Promise<ExperimentData>;
  readonly startSession: (config: ExperimentConfig) => Promise<Session>;
}

/** Batches whose steps are measured; each shape's first step, which makes it ready, by itself. */
const BATCHES = 8;
/** No further step is begun after so long. */
const STEP_SECONDS = 20;
/** Images that are encoded to see how long it takes, once to make ready and once to measure. */
const IMAGES = 16;
/** Images that are decoded side by side in training. */
const POSTS_JUDGED = 64;

/**
 * What a training will take: opens data and encoders, looks at what the cache has, encodes some posts, runs some steps, and
 * reckons with what that took. Nothing is written.
 * @throws as `train`: what it would refuse before its first step
 */
export async function estimateTraining(options: EstimateOptions): Promise<TrainingEstimate> {
  const { config, cache, signal, display, trainings = 1 } = options;
  const clock = stopwatch();
  const data = await options.openData();
  display.data(data, null);
  assertLearnable(data);
  const whole = await options.startSession(config);
  const disk = withCachedStates(whole, config, { cache });
  display.session(whole);
  try {
    const opening = clock();
    for (const note of await assertRoomForStates({ config, session: disk, data, cache, signal })) display.note?.(note);
    const needs = await survey(options, disk, data);
    await releaseFrozenLayers(disk);
    const session = withCachedStates(whole, config, {}); // in memory
    const rehearsal = await rehearse(options, session, data);
    return reckoned(options, data, session, needs, { ...rehearsal, opening, trainings });
  } finally {
    await disk.dispose();
  }
}

/** All that is encoded, of all folds where there are several: each post is trained on in some. */
function survey(
  { config, cache, signal, trainings = 1 }: EstimateOptions,
  session: Session,
  data: ExperimentData,
): Promise<EncodingNeed[]> {
  // prettier-ignore
  const source = { dataset: data.dataset, session, cache, needs: methodNeeds(config), signal };
  const { train, val, test } = data.splits;
  const splits = trainings > 1 ? { train: [...train, ...test], val, test } : data.splits;
  return surveyEncoding(source, trainingViews(config, session, { splits }));
}

/** Seconds of a content, by what is encoded of it. */
type EncodingSeconds = ReadonlyMap<string, number>;

function outputName({ kind, modality }: EncodedOutput): string {
  return `${kind} of ${modality}s`;
}

/** What was measured. */
interface Rehearsal {
  /** Seconds of a content. */
  readonly encoding: EncodingSeconds;
  readonly decoding: number;
  readonly measuring: number;
  readonly ready: number;
  readonly step: number;
  readonly judging: number;
  readonly checkpoint: { readonly seconds: number; readonly bytes: number };
  readonly isRefitted: CalibrationCase['isRefitted'];
  readonly isFrozen: CalibrationCase['isFrozen'];
  readonly parameters: TrainingEstimate['parameters'];
  readonly memory: number;
}

async function rehearse(options: EstimateOptions, session: Session, data: ExperimentData): Promise<Rehearsal> {
  const { config, signal, out } = options;
  const { batchSize } = config.training;
  const needs = methodNeeds(config);
  const { encoding, decoding, set } = await encodeSample(options, session, data);
  await releaseFrozenLayers(session);
  const clock = stopwatch();
  const measured = config.model.standardize
    ? await withInitialFeatures(session, set, async (initial) => ({ standardization: await measureFeatures(initial), tokenStandardization: await measureTokens(initial) }), undefined, needs) // prettier-ignore
    : {};
  const measuring = config.model.standardize && !isFeatureSet(set) ? clock() / set.ids.length : 0;
  const { classes } = data.dataset;
  const classWeights = measureClassWeights(config, classes, set.labels);
  const method = createEncodedMethod(
    config,
    { ...methodShapes(session, classes.length, needs), ...measured, ...(classWeights === undefined ? {} : { classWeights }) }, // prettier-ignore
    trainedEncoders(session),
    await measureExperimentGraphs(config, session, set),
  );
  const shapes: string[] = [];
  const train = watched(repeated(set, (BATCHES + 1) * batchSize), (shape) => void shapes.push(shape)); // the last is never run
  const enough = new AbortController();
  const times: number[] = [];
  const stepClock = stopwatch();
  let started = 0;
  const onStep = (): void => {
    const seconds = stepClock();
    times.push(seconds);
    started += seconds;
    const isLate = started > STEP_SECONDS && times.length > 1;
    if (isLate || times.length >= BATCHES || signal?.aborted === true) enough.abort(new Error('enough'));
  };
  const trainer = await Trainer.create({
    ...{ config, classes, method, train, engine: session.engine, run: RunFolder.unmade(out) },
    events: { onStep, onEpoch: () => undefined },
    signal: enough.signal,
    resume: false,
    resultOnly: true,
  });
  try {
    stepClock();
    await trainer.fit();
    signal?.throwIfAborted();
    const { ready, step } = stepTimes(times, shapes);
    const judged = repeated(set, Math.min(POSTS_JUDGED, Math.max(set.ids.length, 16)));
    await trainer.predict(judged);
    const judgingClock = stopwatch();
    await trainer.predict(judged);
    const judging = judgingClock() / judged.ids.length;
    const checkpointClock = stopwatch();
    const checkpoint = await trainer.checkpoint();
    const bytes = hashed(checkpoint, config.training.checkpointFrozen);
    return {
      ...{ encoding, decoding, measuring, ready, step, judging },
      checkpoint: { seconds: checkpointClock(), bytes },
      isRefitted: method.createMemory().refitted !== undefined,
      isFrozen: isFeatureSet(set),
      parameters: countParameters(checkpoint),
      memory: process.resourceUsage().maxRSS * 1024,
    };
  } finally {
    await trainer.dispose();
  }
}

/** Some posts encoded as training has them, and what that took: once to make encoders ready, once to measure. */
async function encodeSample(
  { config, signal, display }: EstimateOptions,
  session: Session,
  { dataset, splits }: ExperimentData,
): Promise<{ readonly encoding: EncodingSeconds; readonly decoding: number; readonly set: PostSet }> {
  const order = createRandom(config.seed).fork('estimate').shuffle(splits.train);
  const texts = Math.min(order.length, Math.max(IMAGES, (BATCHES / 2) * config.training.batchSize));
  const withImages = order.filter(({ image }) => image !== null);
  const encoding = new Map<string, number>();
  const encode = async (images: readonly PostRecord[], own: readonly PostRecord[]): Promise<PostSet> => {
    const kept = new Set(images.map(({ id }) => id));
    const records = own.map((record) => (kept.has(record.id) ? record : { ...record, image: null }));
    const { set } = await encodeRecords({
      ...{ dataset, records, session, seed: config.seed, strategy: { kind: 'none' }, signal },
      needs: methodNeeds(config),
      batchSize: config.encoders.batchSize,
      isChecked: true,
      job: (_, output) => {
        const clock = stopwatch();
        let count = 0;
        return {
          update: (_done, _total, encoded = 0) => void (count = encoded),
          stop: () => void (output !== undefined && count > 0 && encoding.set(outputName(output), clock() / count)),
        };
      },
      onRowError: (message) => display.warn(message),
    });
    return set;
  };
  const images = Math.min(IMAGES, Math.ceil(withImages.length / 2)); // what was encoded once costs nothing more
  const first = withImages.slice(0, images);
  const second = withImages.length > images ? withImages.slice(images, 2 * images) : first;
  await encode(first, first.length === 0 ? order.slice(0, IMAGES) : first);
  const rest = order.filter((record) => !second.includes(record)).slice(0, Math.max(0, texts - second.length));
  const set = await encode(second, [...second, ...rest]);
  if (set.ids.length === 0) throw unreadable('The time of steps', 'a training post that can be read');
  const clock = stopwatch();
  await Promise.all(second.map((record) => dataset.read(record).catch(() => undefined)));
  const decoding = second.length === 0 ? 0 : clock() / second.length;
  return { encoding, decoding, set: withImagesRepeated(set, second.length) };
}

/** A set whose images are those of its first posts again and again, so that few need be encoded. */
function withImagesRepeated(set: PostSet, images: number): PostSet {
  const available = Math.min(
    images,
    set.image.available.reduce((sum, value) => sum + value, 0),
  );
  if (available === 0) return set;
  const places = [...set.ids.keys()].filter((place) => set.image.available[place] === 1);
  const { image } = selectPosts(
    set,
    set.ids.map((_, i) => places[i % places.length] as number),
  );
  return { ...set, image };
}

/** A set of so many posts, those of another again and again. */
function repeated(set: PostSet, posts: number): PostSet {
  return selectPosts(
    set,
    Array.from({ length: posts }, (_, i) => i % set.ids.length),
  );
}

/** Tells the shape of what encoders in a step read of each part of a batch. */
function watched(set: PostSet, tell: (shape: string) => void): PostSet {
  return {
    ...set,
    ...byModality((modality: Modality) => {
      const { rows, ...others } = set[modality];
      if (areFeatures(rows)) return set[modality];
      const gather: typeof rows.gather = async (indices, disruptions) => {
        const batch = await rows.gather(indices, disruptions);
        if (modality === 'text') {
          const shapes = [...flattenTree<HostTensor>(batch.inputs)].map(
            ([name, { shape }]) => `${name} ${shape.join(' ')}`,
          );
          tell(shapes.join());
        }
        return batch;
      };
      return { ...others, rows: { ...rows, gather } };
    }),
  };
}

/** Seconds to make steps of all shapes ready, and of a step that is ready. */
function stepTimes(
  times: readonly number[],
  shapes: readonly string[],
): { readonly ready: number; readonly step: number } {
  const perStep = Math.max(1, Math.round(shapes.length / Math.max(1, times.length)));
  const seen = new Set<string>();
  const isFirst = times.map((_, i) => {
    const own = shapes.slice(i * perStep, (i + 1) * perStep).filter((shape) => !seen.has(shape));
    own.forEach((shape) => seen.add(shape));
    return i === 0 || own.length > 0;
  });
  const again = times.filter((_, i) => isFirst[i] === false);
  const step = mean(again.length > 0 ? again : times);
  const ready = times.reduce((sum, seconds, i) => sum + (isFirst[i] === true ? Math.max(0, seconds - step) : 0), 0);
  return { ready, step };
}

function mean(values: readonly number[]): number {
  return values.length === 0 ? 0 : values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** Bytes of a checkpoint on disk, hashed as when it is written. */
function hashed({ state, memory }: Checkpoint, withFrozen: boolean): number {
  const { encoders = {}, ...fixed } = state.parameters.fixed ?? {};
  const written = { state: { ...state, parameters: { trained: state.parameters.trained, fixed } }, memory };
  const hash = createHash('sha256');
  const bytesOf = (leaves: ReadonlyMap<string, HostTensor>): number =>
    [...leaves.values()].reduce((sum, { data }) => {
      hash.update(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
      return sum + data.byteLength;
    }, 0);
  const frozen = bytesOf(flattenTree<HostTensor>({ encoders }));
  return bytesOf(flattenTree<HostTensor>(written)) + (withFrozen ? frozen : 0);
}

function countParameters({ state }: Checkpoint): TrainingEstimate['parameters'] {
  const count = (tree: Parameters<typeof flattenTree<HostTensor>>[0]): number =>
    [...flattenTree<HostTensor>(tree).values()].reduce((sum, { shape }) => sum + sizeOf(shape), 0);
  const trained = count(state.parameters.trained);
  return { trained, all: trained + count(state.parameters.fixed ?? {}) };
}

/** Seconds since it was last asked. */
function stopwatch(): () => number {
  let last = performance.now();
  return () => {
    const now = performance.now();
    const seconds = (now - last) / 1000;
    last = now;
    return seconds;
  };
}

/** @throws DataError when nothing of the kind could be encoded */
function secondsOf(measured: EncodingSeconds, output: EncodedOutput): number {
  const seconds = measured.get(outputName(output));
  if (seconds !== undefined) return seconds;
  throw unreadable(
    `The time of encoding ${outputName(output)}`,
    `a training post whose ${output.modality} can be read`,
  );
}

function unreadable(subject: string, expected: string): DataError {
  const remedy = `look at the data set: ${spell('data inspect')}`;
  return refuser(DataError, subject)(expected, 'none among those that were tried', remedy);
}

async function reckoned(
  { config, cache, out }: EstimateOptions,
  { splits }: ExperimentData,
  session: Session,
  needs: readonly EncodingNeed[],
  measured: Rehearsal & { readonly opening: number; readonly trainings: number },
): Promise<TrainingEstimate> {
  const { training } = config;
  const { trainings, step, judging, checkpoint } = measured;
  const [train, val] = [splits.train.length, splits.val.length];
  const stepsAnEpoch = Math.ceil(train / training.batchSize);
  const encoding = needs.map((need): EncodingEstimate => {
    const missing = need.contents - need.cached;
    if (missing === 0) return { ...need, secondsEach: null, seconds: 0 };
    const secondsEach = secondsOf(measured.encoding, need);
    return { ...need, secondsEach, seconds: missing * secondsEach };
  });
  const isDecoded = session.image.trainable && !isUpper(session.image);
  const { isRefitted, isFrozen } = measured;
  const judgedAtEnd = postsCalibrationJudges({ train, val, hasDensities: isDrf(config), isRefitted, isFrozen });
  const saves = training.epochs * (1 + Math.floor(stepsAnEpoch / (training.checkpointEvery ?? Infinity)));
  const seconds = {
    start: trainings * (measured.opening + measured.ready),
    encoding: encoding.reduce((sum, own) => sum + own.seconds, 0),
    checking: isDecoded ? trainings * measured.decoding * (train + val) : 0,
    measuring: trainings * measured.measuring * train,
    steps: trainings * training.epochs * stepsAnEpoch * step,
    validation: trainings * training.epochs * val * judging,
    checkpoints: trainings * saves * checkpoint.seconds,
    discriminants: trainings * discriminantPasses(config, train) * judging,
    calibration: trainings * judgedAtEnd * judging,
  };
  const bytesOf = (kinds: readonly EncodingNeed['kind'][]): number =>
    encoding.filter(({ kind }) => kinds.includes(kind)).reduce((sum, { missingBytes }) => sum + missingBytes, 0);
  const held = encoding
    .filter(({ kind }) => kind !== 'states')
    .reduce((sum, { bytes }) => sum + Math.min(bytes, 1024 ** 3), 0);
  return {
    posts: { train, val },
    epochs: training.epochs,
    steps: training.epochs * stepsAnEpoch,
    trainings,
    parameters: measured.parameters,
    encoding,
    seconds: { ...seconds, total: Object.values(seconds).reduce((sum, value) => sum + value, 0) },
    secondsPerStep: step,
    bytes: {
      memory: measured.memory + held,
      features: bytesOf(['features', 'tokens']),
      states: bytesOf(['states']),
      checkpoints: trainings * (Math.min(training.keepCheckpoints, training.epochs) + 1) * checkpoint.bytes,
      freeForCache: (await freeBytes(localFeatureCache(cache))) ?? null,
      freeForRuns: (await freeBytes(out)) ?? null,
    },
  };
}

/** How often a post goes through the encoders to fit discriminants: as it is, and in each draw. */
function discriminantPasses(config: ExperimentConfig, train: number): number {
  if (discriminantShare(config) === 0) return 0;
  const { share, draws, corruptions = [] } = simulationOptions(config);
  const versions = share === 0 ? 0 : draws * Math.max(1, corruptions.length / 2);
  return train * (1 + versions);
}

function isDrf({ method }: ExperimentConfig): boolean {
  return method.startsWith('drf');
}
/** An estimate for people: two tables. */
export function estimateText({
  posts,
  epochs,
  steps,
  trainings,
  parameters,
  encoding,
  seconds,
  secondsPerStep,
  bytes,
}: TrainingEstimate): string {
  // prettier-ignore
  const million = (count: number): string => `${(count / 1e6).toFixed(2)} million`;
  const encodings = encoding.map((need) => [
    outputName(need),
    need.contents,
    need.cached,
    formatDuration(need.seconds),
    sizeText(need.missingBytes),
  ]);
  const free = (amount: number | null): string => (amount === null ? '' : `, of ${sizeText(amount)} free`);
  const each = trainings > 1 ? `, all ${trainings} folds` : '';
  return [
    `${posts.train} posts to train on, ${posts.val} to validate on; ${epochs} epochs, ${steps} steps${trainings > 1 ? ` a fold, ${trainings} folds` : ''}`,
    `${million(parameters.trained)} of ${million(parameters.all)} parameters are trained`,
    ...(encodings.length === 0
      ? []
      : [formatTable(['to encode', 'contents', 'in the cache', 'time', 'disk'], encodings)]),
    formatTable(
      [`time${each}`, ''],
      [
        ['opening, making ready', formatDuration(seconds.start)],
        ['encoding', formatDuration(seconds.encoding)],
        ...optional('checking images', seconds.checking),
        ...optional('measuring encoders', seconds.measuring),
        [`steps, ${secondsPerStep.toPrecision(2)} s each`, formatDuration(seconds.steps)],
        ['validation', formatDuration(seconds.validation)],
        ['checkpoints, without the disk', formatDuration(seconds.checkpoints)],
        ...optional('fitting discriminants', seconds.discriminants),
        ['calibration', formatDuration(seconds.calibration)],
        ['in all', formatDuration(seconds.total)],
      ],
    ),
    formatTable(
      [`room${each}`, ''],
      [
        ['memory, at most', sizeText(bytes.memory)],
        ['features on disk', `${sizeText(bytes.features)}`],
        ['hidden states on disk', `${sizeText(bytes.states)}${free(bytes.freeForCache)}`],
        ['checkpoints', `${sizeText(bytes.checkpoints)}${free(bytes.freeForRuns)}`],
      ],
    ),
    'Measured by some posts and steps on this machine; nothing was written.\n',
  ].join('\n');
}

function optional(name: string, seconds: number): string[][] {
  return seconds === 0 ? [] : [[name, formatDuration(seconds)]];
}
