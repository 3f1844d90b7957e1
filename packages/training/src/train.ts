import { basename } from 'node:path';
import {
  explainLoss,
  saveSplits,
  UnusableDataError,
  type LedgerReport,
  SPLIT_NAMES,
  writeSeenPosts,
  type SplitName,
} from '@drf/datasets';
import { parseStrategy } from '@drf/disruption';
import { writeManifest } from '@drf/disruption/manifest';
import {
  assertEncoders,
  countClasses,
  createEncodedMethod,
  discriminantShare,
  fitRunDiscriminants,
  encodeSimulated,
  encodeRecords,
  isFeatureSet,
  Judge,
  measureCalibration,
  measureClassWeights,
  measureExperimentGraphs,
  measureFeatures,
  measureTokens,
  methodNeeds,
  methodShapes,
  openExperimentData,
  openExperimentDataset,
  openRun,
  readVersions,
  releaseFrozenLayers,
  reopenSplits,
  Simulation,
  simulationOptions,
  splitShares,
  startSession,
  trainedEncoders,
  withCachedStates,
  withInitialFeatures,
  writeCalibration,
  exampleCount,
  writeExamples,
  writeModelCard,
  writeTrainingReport,
  type CalibrationSources,
  type DiscriminantSources,
  type EncodedRecords,
  type EncodeOptions,
  type ExperimentConfig,
  type ExperimentData,
  type Judged,
  type PostSet,
  type RunFolder,
  type Session,
} from '@drf/experiment';
import { describeCalibration, type Calibration } from '@drf/judge';
import { classificationReport } from '@drf/metrics';
import type { MethodShapes } from '@drf/model';
import { DataError, hostTensor } from '@drf/tensor';
import { spell } from '@drf/terminal';
import { assertLearnable, dataWarnings, writeLedger } from './data-summary.js';
import type { Display } from './display.js';
import { agree, assertParts, factsOf, factsOfEncoded, threadsOfRank } from './distributed.js';
import type { Distributed } from './ranks.js';
import { Trainer, type TrainerOutcome } from './trainer.js';
import { describeEpoch, type Selected } from './selection.js';
import { assertRoomForStates } from './state-room.js';
import { trackTraining } from './tracking/track-training.js';
import type { Tracker } from './tracking/tracker.js';

/** What a training needs from outside; programs that train often bring ones that share their work. */
export interface TrainServices {
  readonly openData: typeof openExperimentData;
  /** For a run that goes on, which has its splits. */
  readonly openDataset: typeof openExperimentDataset;
  readonly startSession: typeof startSession;
  readonly encode: (options: EncodeOptions) => Promise<EncodedRecords>;
  readonly readVersions: typeof readVersions;
}

const SERVICES: TrainServices = {
  openData: openExperimentData,
  openDataset: openExperimentDataset,
  startSession,
  encode: encodeRecords,
  readVersions,
};

export interface TrainOptions {
  readonly config: ExperimentConfig;
  readonly run: RunFolder;
  /** Go on from the run's last checkpoint. */
  readonly resume: boolean;
  /** Whether a run that goes on may ask the hub for encoders that the cache lacks; a new one may. */
  readonly allowDownload?: boolean;
  /** Folder of the feature cache. */
  readonly cache: string;
  readonly display: Display;
  readonly signal?: AbortSignal;
  readonly stopAfterEpochs?: number;
  /**
   * Posts that the run keeps with text and small image, for its page to be tried on. Default: 6 of one's own posts, none
   * of public data sets, which belong to their authors.
   */
  readonly examples?: number | undefined;
  /** Write the result alone, when training ends: no checkpoints before it, no report. */
  readonly resultOnly?: boolean;
  /** Is told how the training goes, which changes nothing of it. */
  readonly tracker?: Tracker | undefined;
  /** This process is one of several that train together; `run` of any but rank 0 is a folder that is thrown away. */
  readonly distributed?: Distributed | undefined;
  /** Those given take the place of the usual ones. */
  readonly services?: Partial<TrainServices>;
}

export interface TrainResult {
  readonly outcome: TrainerOutcome;
  readonly run: string;
  readonly selected: Selected | undefined;
  /** Path of the report; null where none was asked for, and in ranks other than 0. */
  readonly report: string | null;
  /** What probabilities and quality of single posts rest on, for people; none before the end. */
  readonly notes: readonly string[];
}

/**
 * Data → features → model → steps → checkpoints → report: a whole training run.
 * @throws DataError when another process trains in the same folder; when ranks differ in program, options or posts, or
 *   come to differ in parameters; ConfigurationError for more ranks than a step has posts
 */
export async function train(options: TrainOptions): Promise<TrainResult> {
  const lock = await options.run.lock();
  try {
    const { tracker } = options;
    return await (tracker === undefined ? trainLocked(options) : trackTraining(tracker, options, trainLocked));
  } finally {
    await lock.release();
  }
}

async function trainLocked(options: TrainOptions): Promise<TrainResult> {
  const { config, run, display, resume } = options;
  const services = servicesOf(options);
  const collective = options.distributed?.collective;
  if (collective !== undefined) assertParts(config, collective.size);

  // data
  const data = await openData(options);
  display.data(data, resume || !isLead(options) ? null : await writeLedger(run, data.dataset.ledger.toJSON()));
  assertLearnable(data);

  // encoders
  const ids = resume ? (await run.readDescription()).encoders : undefined;
  const { allowDownload = false } = options;
  const whole = await services.startSession(config, {
    ...(collective === undefined ? {} : { threads: await threadsOfRank(collective) }),
    ...(ids === undefined ? {} : { recorded: { ids, allowDownload } }),
  });
  const session = withCachedStates(whole, config, options);
  try {
    if (ids !== undefined) assertEncoders(run.path, ids, whole);
    display.session(whole);
    if (collective !== undefined) {
      const { image, text, engine } = whole;
      const encoders = { image: image.id, text: text.id, engine: engine.name };
      await agree(collective, factsOf(config, await services.readVersions(), encoders, data.splits));
    }
    return await trainIn(options, data, whole, session);
  } finally {
    await session.dispose();
  }
}

/** @param whole its encoders whole, where those of the session begin at their first trained layer */
async function trainIn(
  options: TrainOptions,
  data: ExperimentData,
  whole: Session,
  session: Session,
): Promise<TrainResult> {
  const { config, run, display, resume, resultOnly = false } = options;
  const collective = options.distributed?.collective;

  // features, after disruption
  for (const note of await assertRoomForStates({ ...options, session, data })) display.note?.(note);
  const found = data.dataset.ledger.kept;
  const [trainPosts, valPosts] = await encodeSplits(options, session, data);
  if (data.dataset.ledger.kept < found) {
    display.decoded(data, { train: trainPosts.records.length, val: valPosts.records.length });
  }
  if (collective !== undefined) await agree(collective, factsOfEncoded([trainPosts, valPosts]));
  const simulation = await openSimulation(options, session, data, trainPosts);
  await releaseFrozenLayers(session);
  const ledger = data.dataset.ledger.toJSON();
  const { classes } = data.dataset;

  // model
  const shapes = methodShapes(session, classes.length, methodNeeds(config));
  const classWeights = measureClassWeights(config, classes, trainPosts.set.labels); // a checkpoint's own are the same
  const measured = resume ? {} : await measure(options, session, trainPosts);
  const known = {
    ...shapes,
    ...measured,
    classCounts: countClasses(trainPosts.set.labels, classes.length),
    ...(classWeights === undefined ? {} : { classWeights }),
  };
  const method = createEncodedMethod(
    config,
    known,
    trainedEncoders(session),
    resume
      ? undefined // the checkpoint's own
      : await measureExperimentGraphs(config, session, trainPosts.set, (label) => display.job(label, 'posts')),
  );

  // what the run was made of
  const isNew = isLead(options) && !resume;
  if (isNew && !resultOnly) {
    await writeSeenPosts(run.path, data.dataset, data.splits);
    await writeExamples(run, data, exampleCount(config.dataset, options.examples));
  }
  if (isNew) await describeRun(options, whole, data, [trainPosts, valPosts], ledger);

  // steps
  const trainer = await Trainer.create({
    config,
    classes,
    method,
    engine: session.engine,
    run,
    train: trainPosts.set,
    simulation,
    val: valPosts.set,
    events: display,
    signal: options.signal,
    stopAfterEpochs: options.stopAfterEpochs,
    resume,
    resultOnly,
    distributed: options.distributed,
  });
  try {
    let outcome = await trainer.fit();
    display.end();
    if (!isLead(options)) return { outcome, run: run.path, selected: trainer.selected, report: null, notes: [] };
    const isStopped = outcome === 'interrupted' && (options.stopAfterEpochs === undefined || options.signal?.aborted === true); // prettier-ignore
    const fitted =
      isStopped || discriminantShare(config) === 0
        ? { selected: trainer.selected }
        : await fitDiscriminants(options, trainer.selected, valPosts.set, { config, run, session, method, shapes: known, train: trainPosts.set, simulation }); // prettier-ignore
    if (fitted === 'interrupted') outcome = fitted;
    const { selected, judged } = fitted === 'interrupted' ? { selected: trainer.selected } : fitted;
    const isWhole = outcome !== 'interrupted' && !resultOnly;
    const calibration = isWhole ? await calibrate(options, session, trainPosts, { val: valPosts.set, judged }) : null;
    const report = resultOnly ? null : await writeTrainingReport(run, ledger, dataWarnings(data));
    if (isWhole) await writeModelCard(run);
    const notes = calibration === null ? [] : describeCalibration(calibration);
    return { outcome, run: run.path, selected, report, notes };
  } finally {
    display.end();
    await trainer.dispose();
  }
}

/** Whether this process writes the run. */
function isLead({ distributed }: TrainOptions): boolean {
  return distributed === undefined || distributed.collective.rank === 0;
}

function servicesOf({ services }: TrainOptions): TrainServices {
  return { ...SERVICES, ...services };
}

async function openData(options: TrainOptions): Promise<ExperimentData> {
  const { config, run, resume, display } = options;
  const services = servicesOf(options);
  const progress = display.job('Reading the data set', 'posts');
  try {
    if (!resume) return await services.openData(config.dataset, progress.update);
    const dataset = await services.openDataset(config.dataset, progress.update);
    return await reopenSplits(dataset, run.file('splits'));
  } catch (error) {
    progress.stop();
    if (!resume && error instanceof UnusableDataError) display.lost(error.ledger, await writeLedger(run, error.ledger));
    throw error;
  } finally {
    progress.stop();
  }
}

/** Training and validation posts, disrupted alike (protocol: modality-random disrupts in training and inference). */
async function encodeSplits(
  options: TrainOptions,
  session: Session,
  data: ExperimentData,
): Promise<[EncodedRecords, EncodedRecords]> {
  const { config, cache, display, signal, distributed } = options;
  const strategy = parseStrategy(config.training.disruption);
  const encode = (split: 'train' | 'val'): Promise<EncodedRecords> =>
    servicesOf(options).encode({
      dataset: data.dataset,
      records: data.splits[split],
      strategy,
      seed: config.seed,
      session,
      cache,
      needs: methodNeeds(config),
      batchSize: config.encoders.batchSize,
      job: (label) => display.job(`${label} of split ${split}`, 'posts'),
      onRowError: (message) => display.warn(message),
      onNote: (message) => display.warn(message),
      signal,
      ranks: distributed?.collective,
    });
  const trainPosts = await encode('train');
  const valPosts = trainPosts.records.length === 0 ? trainPosts : await encode('val');
  if (trainPosts.records.length > 0) return [trainPosts, valPosts];
  const ledger = data.dataset.ledger.toJSON();
  await writeLedger(options.run, ledger);
  const received = 'none';
  const remedy = `look at the ledger (${spell('data inspect')}) and at the split files`;
  const subject = `Training split of ${data.dataset.name}`;
  throw explainLoss(new DataError({ subject, expected: 'at least one usable post', received, remedy }), ledger);
}

/** What single posts will be compared with (`calibration.json`), of the checkpoint that is the run's result. */
async function calibrate(
  { run, display }: TrainOptions,
  session: Session,
  train: EncodedRecords,
  validation: Pick<CalibrationSources, 'val' | 'judged'>,
): Promise<Calibration> {
  const progress = display.job('Calibrating', 'posts');
  try {
    const result = await openRun(run.path, undefined, async () => trainedEncoders(session));
    const sources = {
      engine: session.engine,
      run: result,
      train: train.set,
      ...validation,
      onProgress: progress.update,
    };
    const calibration = await measureCalibration(sources);
    await writeCalibration(run, calibration);
    return calibration;
  } finally {
    progress.stop();
  }
}

/** The epoch that is the result. */
interface Fitted {
  readonly selected: Selected | undefined;
  /** The validation posts as the result judges them, where it has judged them. */
  readonly judged?: Judged | undefined;
}

/**
 * Fits the discriminants of the run's result, and judges the validation posts once more, as the result does from now on.
 * @param selected as the method alone was judged
 */
async function fitDiscriminants(
  { display, signal }: TrainOptions,
  selected: Selected | undefined,
  val: PostSet,
  sources: DiscriminantSources,
): Promise<Fitted | 'interrupted'> {
  const progress = display.job('Fitting the discriminants of classes', 'rows');
  try {
    await fitRunDiscriminants({ ...sources, onProgress: progress.update, signal });
    progress.stop();
    return await judgedByResult(sources, selected, val, signal);
  } catch (error) {
    if (signal?.aborted === true && error === signal.reason) return 'interrupted'; // going on fits them again
    throw error;
  } finally {
    progress.stop();
  }
}

/** The epoch that is the result, by the validation posts as the result judges them. */
async function judgedByResult(
  { config, run, session }: DiscriminantSources,
  selected: Selected | undefined,
  val: PostSet,
  signal: AbortSignal | undefined,
): Promise<Fitted> {
  if (selected === undefined || val.ids.length === 0) return { selected };
  const result = await openRun(run.path, undefined, async () => trainedEncoders(session));
  const judge = Judge.create(session.engine, result);
  try {
    const judged = await judge.judge(val, () => undefined, signal);
    const { classes } = result.description;
    const rows = hostTensor(judged.probabilities, [val.ids.length, classes.length]);
    const epoch = describeEpoch(config.training.selection, classificationReport(val.labels, rows, classes), selected);
    await run.writeBest({ checkpoint: basename(result.checkpoint), ...epoch, selection: config.training.selection });
    return { selected: epoch, judged };
  } finally {
    await judge.dispose();
  }
}

/** What standardization needs; a run that goes on has it in its checkpoint. */
async function measure(
  { config, display }: TrainOptions,
  session: Session,
  { set }: EncodedRecords,
): Promise<Pick<MethodShapes, 'standardization' | 'tokenStandardization'>> {
  if (!config.model.standardize) return {};
  const label = 'Measuring the features of encoders before they are trained';
  const progress = isFeatureSet(set) ? undefined : display.job(label, 'posts');
  try {
    return await withInitialFeatures(
      session,
      set,
      async (initial) => ({
        standardization: await measureFeatures(initial),
        tokenStandardization: await measureTokens(initial),
      }),
      progress?.update,
      methodNeeds(config),
    );
  } finally {
    progress?.stop();
  }
}

/** Disrupted versions of the training posts for frozen encoders, where the experiment simulates disruptions. */
async function openSimulation(
  { config, cache, display, signal, services, distributed }: TrainOptions,
  session: Session,
  { dataset }: ExperimentData,
  { records }: EncodedRecords,
): Promise<Simulation | undefined> {
  const options = simulationOptions(config);
  if (options.share === 0) return undefined;
  const needs = methodNeeds(config);
  const rows = await encodeSimulated(
    {
      dataset,
      records,
      session,
      cache,
      needs,
      batchSize: config.encoders.batchSize,
      job: (label) => display.job(`${label} of split train, disrupted`, 'posts'),
      onRowError: (message) => display.warn(message),
      onNote: (message) => display.warn(message),
      signal,
      ranks: distributed?.collective,
    },
    options,
    { ...SERVICES, ...services }.encode,
  );
  return new Simulation(options, rows, config.seed, needs);
}

async function describeRun(
  options: TrainOptions,
  session: Session,
  data: ExperimentData,
  encoded: readonly EncodedRecords[],
  ledger: LedgerReport,
): Promise<void> {
  const { config, run } = options;
  const { dataset } = data;
  await saveSplits(
    run.file('splits'),
    Object.fromEntries(SPLIT_NAMES.map((name) => [name, data.splits[name].map(({ id }) => id)])),
    {
      dataset: dataset.name,
      seed: config.dataset.splitSeed,
      fractions: splitShares(dataset.records.length, config.dataset).fractions,
    },
  );
  await writeLedger(run, ledger); // again, with posts that could not be decoded
  const size = config.dataset.imageSize;
  await writeManifest(
    run.file('manifest.jsonl'),
    {
      seed: config.seed,
      strategy: parseStrategy(config.training.disruption),
      source: `${dataset.name}, splits train and val`,
      imageSize: { width: size, height: size },
      mask: session.text.maskToken,
    },
    encoded.flatMap(({ entries }) => entries),
  );
  await run.writeDescription({
    config,
    classes: dataset.classes,
    encoders: { image: session.image.id, text: session.text.id },
    shapes: methodShapes(session, dataset.classes.length, methodNeeds(config)),
    posts: countPosts(data),
    engine: session.engine.name,
    versions: await servicesOf(options).readVersions(),
    createdAt: new Date().toISOString(),
  });
}

/** Posts of each class by split. */
function countPosts({ dataset, splits }: ExperimentData): Record<SplitName, number[]> {
  const count = (name: SplitName): number[] => {
    const counts = dataset.classes.map(() => 0);
    for (const { label } of splits[name]) counts[label] = (counts[label] ?? 0) + 1;
    return counts;
  };
  return { train: count('train'), val: count('val'), test: count('test') };
}
