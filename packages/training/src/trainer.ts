import { basename } from 'node:path';
import {
  ADAMW_DEFAULTS,
  joinParts,
  prepareTraining,
  stepParameters,
  stepPart,
  stepSchedule,
  wholeParameters,
  type Checkpoint,
  type EncodedBatchInputs,
  type EncodedMethod,
  type LearnOutputs,
  type Memory,
  type StepSchedule,
  type TrainingPosition,
  type TrainingProgram,
} from '@drf/model';
import { loadCheckpoint, saveCheckpoint } from '@drf/model/checkpoint';
import { classificationReport, type ClassificationReport } from '@drf/metrics';
import {
  gatherBatch,
  predictWith,
  withDropoutSeeds,
  type ExperimentConfig,
  type GatheredBatch,
  type PostSet,
  type PredictOptions,
  type RunFolder,
  type Simulation,
} from '@drf/experiment';
import {
  mapAhead,
  CheckpointError,
  createRandom,
  flattenTree,
  hostTensor,
  sizeOf,
  unflattenTree,
  type Engine,
  type Host,
  type HostTensor,
  type HostTree,
} from '@drf/tensor';
import { epochBatches, partsOf } from './batches.js';
import { LossMean, readLosses, type StepLosses } from './finite.js';
import { Ranks, type Distributed, type Held } from './ranks.js';
import { describeEpoch, isBetter, isExhausted, type Selected } from './selection.js';

/** What the trainer reports as it goes. */
export interface TrainerEvents {
  onStep(position: TrainingPosition, totalSteps: number, losses: StepLosses): void;
  /** While an epoch's end is judged. */
  onValidation?(done: number, total: number): void;
  onEpoch(epoch: number, train: StepLosses, val: ClassificationReport | undefined, isBest: boolean): void;
  /** Once a checkpoint is there whole, and named where it is the best. */
  onCheckpoint?(): void;
}

export interface TrainerOptions {
  readonly config: ExperimentConfig;
  readonly classes: readonly string[];
  readonly method: EncodedMethod;
  readonly engine: Engine;
  readonly run: RunFolder;
  readonly train: PostSet;
  /** Disrupts training posts on the way. */
  readonly simulation?: Simulation;
  /** Left out or empty: no validation; the last epoch is the result. */
  readonly val?: PostSet;
  readonly events: TrainerEvents;
  /** When it aborts, the trainer saves a checkpoint and returns. */
  readonly signal?: AbortSignal;
  /** Stop, as if interrupted, after so many epochs in all. */
  readonly stopAfterEpochs?: number;
  readonly resume: boolean;
  /**
   * Hold the best state in memory and write it alone, without what further training would need, when training ends: for
   * many short trainings, of which an interrupted one is done again. Default: a checkpoint after each epoch.
   */
  readonly resultOnly?: boolean;
  /** This process is one of several, which compute the parts of each step. Rank 0 alone writes the run. */
  readonly distributed?: Distributed | undefined;
}

export type TrainerOutcome = 'finished' | 'stopped-early' | 'interrupted';

/** What a checkpoint keeps beside state, memory and position. */
interface SavedProgress {
  readonly best: Selected | undefined;
  readonly epochLosses: ReturnType<LossMean['state']>;
}

/** How often a step is logged to `metrics.jsonl`. */
const STEPS_A_LOG_ROW = 10;
/** Batches that are made (posts read, disrupted, decoded, tokenized) while the engine runs a step. */
const BATCHES_AHEAD = 2;

/** The posts of a step: the parts that are computed here, and how many posts each of all parts has. */
interface StepBatch {
  readonly parts: readonly GatheredBatch[];
  readonly posts: readonly number[];
}

/**
 * The training loop: batches in an order that depends on (seed, epoch) only, one pure step each, enqueueing after it,
 * validation and a checkpoint after each epoch. Going on from a checkpoint gives the same parameters as never having
 * stopped.
 *
 * In N ranks a step has N times as many parts, of which each rank computes `accumulate`. Every rank gets the sum of the
 * gradients and the observations of all posts, moves its parameters and its memory by them, and so has what one process
 * would have that accumulates N times as many parts, up to rounding.
 */
export class Trainer {
  private readonly totalSteps: number;
  private position: TrainingPosition = { step: 0, epoch: 0, stepInEpoch: 0 };
  private best: Selected | undefined;
  private epochLosses = new LossMean();
  /** The best checkpoint, while nothing is written before the end. */
  private kept: Checkpoint | undefined;
  private readonly ranks: Ranks | undefined;
  /** Whether a rank was asked to stop, as all ranks know it. */
  private stops = false;

  private constructor(
    private readonly options: TrainerOptions,
    private readonly program: TrainingProgram<EncodedBatchInputs>,
    private readonly memory: Memory,
    /** In the structure of the trained parameters, what a rank adds that has no part of a step. */
    private readonly noGradients: () => HostTree,
  ) {
    this.ranks = options.distributed === undefined ? undefined : new Ranks(options.distributed);
    const { batchSize, epochs } = options.config.training;
    this.totalSteps = Math.ceil(options.train.ids.length / batchSize) * epochs;
  }

  /** @throws CheckpointError as `loadCheckpoint`, and for a checkpoint that holds a result alone, when resuming */
  static async create(options: TrainerOptions): Promise<Trainer> {
    const { config, engine, method } = options;
    const { weightDecay, clipNorm, accumulate } = config.training;
    const parameters = method.initialParameters(createRandom(config.seed).fork('parameters'));
    const optimizer = { ...ADAMW_DEFAULTS, weightDecay, clipNorm, inParts: accumulate > 1 };
    const program = await prepareTraining(engine, method, parameters, optimizer);
    const shapes = [...flattenTree<HostTensor>(parameters.trained)].map(([name, { shape }]) => [name, shape] as const);
    const zeros = (): HostTree =>
      unflattenTree(shapes.map(([name, shape]) => [name, hostTensor(new Float32Array(sizeOf(shape)), shape)]));
    const trainer = new Trainer(options, program, method.createMemory(), zeros);
    try {
      if (options.resume && trainer.isLead) await trainer.restore(parameters);
      await trainer.level();
      return trainer;
    } catch (error) {
      await trainer.dispose();
      throw error;
    }
  }

  private async restore(parameters: Checkpoint['state']['parameters']): Promise<void> {
    const { run, method } = this.options;
    const path = await run.latestCheckpoint();
    const expected = { method: method.id, parameters: wholeParameters(method, parameters) };
    const { state, memory, position, progress } = await loadCheckpoint(path, expected);
    if (state.moments === undefined) throw resultAlone(path);
    // what a stopped training's result was given, the next epochs are not judged by
    const { discriminants } = parameters.fixed ?? {};
    const fixed = discriminants === undefined ? state.parameters.fixed : { ...state.parameters.fixed, discriminants };
    const unfitted = { trained: state.parameters.trained, ...(fixed === undefined ? {} : { fixed }) };
    await this.program.writeState({ parameters: stepParameters(method, unfitted), moments: state.moments });
    this.memory.restore(memory);
    this.position = position;
    const { best, epochLosses } = progress as SavedProgress;
    this.best = best;
    this.epochLosses.restore(epochLosses);
    await run.truncateMetrics(position.step);
    const named = await run.readBest();
    if (named === undefined || named.step !== this.best?.step) await this.nameBest(); // a kill may have come between its checkpoint and its name
  }

  /** Whether this process writes the run. */
  private get isLead(): boolean {
    return this.ranks?.isLead ?? true;
  }

  /** Begins where rank 0 does. */
  private async level(): Promise<void> {
    if (this.ranks === undefined) return;
    const own = { position: this.position, progress: this.progress() };
    const { position, progress } = await this.ranks.level(this.held, own);
    const { best, epochLosses } = progress as SavedProgress;
    this.position = position as TrainingPosition;
    this.best = best;
    this.epochLosses.restore(epochLosses);
  }

  private get held(): Held {
    return { program: this.program, memory: this.memory };
  }

  private progress(): SavedProgress {
    return { best: this.best, epochLosses: this.epochLosses.state() };
  }

  /** Trains to the end, to early stopping, or until interrupted. */
  async fit(): Promise<TrainerOutcome> {
    const outcome = await this.runEpochs();
    if (outcome !== 'interrupted' && this.kept !== undefined) await this.write(this.kept, true);
    return outcome;
  }

  private async runEpochs(): Promise<TrainerOutcome> {
    const { config, stopAfterEpochs = Infinity } = this.options;
    while (this.position.epoch < config.training.epochs) {
      if (isExhausted(this.best, this.position.epoch, config.training.patience)) return 'stopped-early';
      if (this.position.epoch >= stopAfterEpochs) return 'interrupted';
      if (await this.runEpoch()) continue;
      await this.save();
      return 'interrupted';
    }
    return 'finished';
  }

  get selected(): Selected | undefined {
    return this.best;
  }

  async dispose(): Promise<void> {
    await this.program.dispose();
  }

  /** @returns false when interrupted before the epoch's end, its validation included */
  private async runEpoch(): Promise<boolean> {
    const { config, train, signal } = this.options;
    const { batchSize, groupByLength } = config.training;
    const startedAt = performance.now();
    const { epoch, stepInEpoch } = this.position;
    const batches = epochBatches(train, { seed: config.seed, epoch, batchSize, groupByLength }).slice(stepInEpoch);
    for await (const step of mapAhead(batches, BATCHES_AHEAD, (batch) => this.gather(batch, epoch))) {
      if (this.ranks === undefined ? signal?.aborted === true : this.stops) return false;
      await this.runStep(step);
    }
    return this.endEpoch((performance.now() - startedAt) / 1000);
  }

  private async gather(batch: readonly number[], epoch: number): Promise<StepBatch> {
    const { config, train, simulation } = this.options;
    const { batchSize, accumulate } = config.training;
    const random = createRandom(config.seed).fork('dropout').fork(epoch);
    const all = partsOf(batch, batchSize, accumulate * (this.ranks?.size ?? 1));
    const parts = await Promise.all(
      (this.ranks?.ownParts(all, accumulate) ?? all).map(async (part) => {
        const gathered = await (simulation?.gather(train, part, epoch) ?? gatherBatch(train, part));
        return { ...gathered, batch: withDropoutSeeds(gathered.batch, part, random) };
      }),
    );
    return { parts, posts: all.map(({ length }) => length) };
  }

  private async runStep(batch: StepBatch): Promise<void> {
    const { config, run, events, resultOnly = false } = this.options;
    const { epoch, stepInEpoch } = this.position;
    const { learningRate: head, encoderLearningRate: encoder, learningRateFloor: floor } = config.training;
    const rates = { encoder, head, floor };
    const schedule = stepSchedule(this.position.step, this.totalSteps, rates, ADAMW_DEFAULTS);
    const outputs = await this.compute(batch, schedule);
    const step = this.position.step + 1;
    const losses = readLosses(outputs, step);
    this.memory.update(outputs.observations); // after the statistics were read: Eq. 13
    this.epochLosses.add(losses);
    this.position = { step, epoch, stepInEpoch: stepInEpoch + 1 };
    if (this.isLead && !resultOnly && step % STEPS_A_LOG_ROW === 0) {
      const learningRate = schedule.learningRates.head.data[0] as number;
      const gradientNorm = outputs.gradientNorm?.data[0];
      const clipped = gradientNorm === undefined ? {} : { gradientNorm };
      await run.appendMetric({ type: 'step', step, epoch, ...losses, learningRate, ...clipped });
    }
    events.onStep(this.position, this.totalSteps, losses);
    await this.ranks?.check(this.held, step);
    const { checkpointEvery = Infinity } = config.training;
    if (step % checkpointEvery === 0) await this.save();
  }

  /** One step, part by part: all parts read the same memory, and the last moves the parameters. */
  private async compute({ parts, posts }: StepBatch, schedule: Host<StepSchedule>): Promise<Host<LearnOutputs>> {
    const { ranks, program } = this;
    const memory = this.memory.inputs();
    const [only] = parts;
    if (ranks === undefined && this.options.config.training.accumulate === 1 && only !== undefined) {
      return program.learn({ ...only, memory, schedule });
    }
    const total = posts.reduce((sum, count) => sum + count, 0);
    const outputs: Host<LearnOutputs>[] = [];
    let gradients: HostTree | undefined;
    for (const [index, own] of parts.entries()) {
      const inputs = { ...own, memory, part: stepPart(index, own.labels.data.length, total) };
      if (index < parts.length - 1) {
        outputs.push(await program.accumulate(inputs));
      } else if (ranks === undefined) {
        outputs.push(await program.learn({ ...inputs, schedule }));
      } else {
        const { gradients: own, ...said } = await program.differentiate(inputs);
        outputs.push(said);
        gradients = own;
      }
    }
    if (ranks === undefined) return joinParts(outputs, posts);
    const joined = await ranks.joinStep(outputs, posts, this.options.signal?.aborted === true);
    this.stops = joined.stops;
    const moved = await program.move({ gradients: await ranks.sum(gradients ?? this.noGradients()), schedule });
    return { ...joined.outputs, ...moved };
  }

  /** @returns false when interrupted: going on then validates again */
  private async endEpoch(seconds: number): Promise<boolean> {
    const { config, run, events } = this.options;
    const val = await this.validate();
    if (val === 'interrupted') return false;
    const { step } = this.position;
    const epoch = this.position.epoch + 1;
    this.position = { step, epoch, stepInEpoch: 0 };
    const losses = this.epochLosses.mean();
    this.epochLosses = new LossMean();
    const described = describeEpoch(config.training.selection, val, { epoch, step });
    const isBest = isBetter(described, this.best);
    if (isBest) this.best = described;
    const row = {
      type: 'epoch' as const,
      step,
      epoch,
      trainLoss: losses.total,
      trainParts: losses.parts,
      valAccuracy: val?.accuracy ?? null,
      valWeightedF1: val?.weightedF1 ?? null,
      valLoss: val?.calibration?.negativeLogLikelihood ?? null,
      valPosts: val?.count ?? 0,
      seconds,
    };
    if (this.isLead) await run.appendMetric(row);
    await this.save(isBest);
    events.onEpoch(epoch, losses, val, isBest);
    return true;
  }

  private async validate(): Promise<ClassificationReport | 'interrupted' | undefined> {
    const { val, classes, events, signal } = this.options;
    if (val === undefined || val.ids.length === 0) return undefined;
    const onProgress = (done: number, total: number): void => events.onValidation?.(done, total);
    const judge = async (set: PostSet): Promise<Float32Array | 'interrupted'> => {
      try {
        return await this.predict(set, { onProgress, signal });
      } catch (error) {
        if (signal?.aborted === true && error === signal.reason) return 'interrupted';
        throw error;
      }
    };
    const judged = await (this.ranks?.judge(val, judge) ?? judge(val));
    if (judged === 'interrupted') return judged;
    return classificationReport(val.labels, hostTensor(judged, [val.ids.length, classes.length]), classes);
  }

  /** Probabilities of a set by the parameters as they stand, [posts, classes]. @throws the signal's reason when aborted */
  async predict(set: PostSet, options: PredictOptions = {}): Promise<Float32Array> {
    return (await predictWith(this.program, set, this.memory.inputs(), options)).probabilities;
  }

  /** Everything that it takes to go on from here. */
  async checkpoint(): Promise<Checkpoint> {
    const { method } = this.options;
    const { parameters, moments } = await this.program.readState();
    const state = { parameters: wholeParameters(method, parameters), moments };
    return {
      method: method.id,
      state,
      memory: this.memory.state(),
      position: this.position,
      progress: this.progress(),
    };
  }

  /** Saves a checkpoint, or holds it until the end; the best one becomes the run's result. */
  private async save(isBest = false): Promise<void> {
    const { resultOnly = false } = this.options;
    if (!this.isLead || (resultOnly && !isBest)) return;
    const checkpoint = await this.checkpoint();
    if (resultOnly) this.kept = { ...checkpoint, state: { parameters: checkpoint.state.parameters } };
    else await this.write(checkpoint, isBest);
  }

  private async write(checkpoint: Checkpoint, isBest: boolean): Promise<void> {
    const { run, config, events } = this.options;
    const { checkpointFrozen, keepCheckpoints } = config.training;
    await saveCheckpoint(run.checkpointPath(checkpoint.position.step), checkpoint, checkpointFrozen);
    if (isBest) await this.nameBest();
    await run.pruneCheckpoints(keepCheckpoints);
    events.onCheckpoint?.();
  }

  private async nameBest(): Promise<void> {
    const { run, config } = this.options;
    if (this.best === undefined) return;
    const checkpoint = basename(run.checkpointPath(this.best.step));
    await run.writeBest({ checkpoint, ...this.best, selection: config.training.selection });
  }
}

function resultAlone(path: string): CheckpointError {
  return new CheckpointError({
    subject: `Checkpoint ${path}`,
    expected: 'moments of the optimizer, to go on with',
    received: 'a result alone',
    remedy: 'train again without resuming',
  });
}
