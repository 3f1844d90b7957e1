import { basename } from 'node:path';
import { mapAhead } from '@drf/datasets';
import {
  ADAMW_DEFAULTS,
  createTrainingStep,
  initialTrainingState,
  joinParts,
  stepPart,
  stepSchedule,
  type Checkpoint,
  trainedBy,
  type EncodedBatchInputs,
  type Memory,
  type Method,
  type StepInputs,
  type TrainingOutputs,
  type TrainingPosition,
  type TrainingState,
} from '@drf/model';
import { loadCheckpoint, saveCheckpoint } from '@drf/model/checkpoint';
import { classificationReport, type ClassificationReport } from '@drf/metrics';
import {
  gatherBatch,
  predictWith,
  withDropoutSeeds,
  type ExperimentConfig,
  type PostSet,
  type RunFolder,
  type Simulation,
  type TrainingProgram,
} from '@drf/experiment';
import { createRandom, hostTensor, type Engine, type HostTensor, type HostTree } from '@drf/tensor';
import { epochBatches, partsOf } from './batches.js';
import { LossMean, readLosses, type StepLosses } from './finite.js';
import { describeEpoch, isBetter, isExhausted, type Selected } from './selection.js';

/** What the trainer reports as it goes. */
export interface TrainerEvents {
  onStep(position: TrainingPosition, totalSteps: number, losses: StepLosses): void;
  /** While an epoch's end is judged. */
  onValidation?(done: number, total: number): void;
  onEpoch(epoch: number, train: StepLosses, val: ClassificationReport | undefined, isBest: boolean): void;
}

export interface TrainerOptions {
  readonly config: ExperimentConfig;
  readonly classes: readonly string[];
  readonly method: Method<EncodedBatchInputs>;
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

type StepBatch = Awaited<ReturnType<typeof gatherBatch>>;

/**
 * The training loop: batches in an order that depends on (seed, epoch) only, one pure step each, enqueueing after it,
 * validation and a checkpoint after each epoch. Going on from a checkpoint gives the same parameters as never having
 * stopped.
 */
export class Trainer {
  private readonly memory: Memory;
  private readonly optimizer;
  private readonly totalSteps: number;
  private readonly stepsAnEpoch: number;
  private position: TrainingPosition = { step: 0, epoch: 0, stepInEpoch: 0 };
  private best: Selected | undefined;
  private epochLosses = new LossMean();
  private outcome: TrainerOutcome = 'finished';
  /** The best checkpoint, while nothing is written before the end. */
  private kept: Checkpoint | undefined;

  private constructor(
    private readonly options: TrainerOptions,
    private readonly program: TrainingProgram,
  ) {
    const { config, method, train } = options;
    this.memory = method.createMemory();
    this.optimizer = { ...ADAMW_DEFAULTS, weightDecay: config.training.weightDecay };
    this.stepsAnEpoch = Math.ceil(train.ids.length / config.training.batchSize);
    this.totalSteps = this.stepsAnEpoch * config.training.epochs;
  }

  static async create(options: TrainerOptions): Promise<Trainer> {
    const { config, engine, method } = options;
    const { weightDecay, clipNorm, accumulate } = config.training;
    const parameters = method.initialParameters(createRandom(config.seed).fork('parameters'));
    const step = createTrainingStep(method, { ...ADAMW_DEFAULTS, weightDecay }, { clipNorm });
    const initial = initialTrainingState(parameters, trainedBy(method), accumulate > 1);
    const program = await engine.prepareStep<TrainingState, StepInputs<EncodedBatchInputs>, TrainingOutputs>(
      step as never, // what it is given decides what it does
      initial,
    );
    const trainer = new Trainer(options, program);
    try {
      if (options.resume) await trainer.restore(parameters);
      return trainer;
    } catch (error) {
      await trainer.dispose();
      throw error;
    }
  }

  private async restore(parameters: HostTree): Promise<void> {
    const { run, method, config } = this.options;
    const isTrained = trainedBy(method);
    const expected = { method: method.id, parameters, isTrained };
    const { state, memory, position, progress } = await loadCheckpoint(await run.latestCheckpoint(), expected);
    const { gradients } = initialTrainingState(parameters, isTrained, config.training.accumulate > 1);
    await this.program.writeState(gradients === undefined ? state : { ...state, gradients });
    this.memory.restore(memory);
    this.position = position;
    const { best, epochLosses } = progress as SavedProgress;
    this.best = best;
    this.epochLosses.restore(epochLosses);
    await run.truncateMetrics(position.step);
    await this.nameBest(); // a kill may have come between its checkpoint and its name
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
      if (!(await this.runEpoch())) {
        this.outcome = 'interrupted';
        await this.save();
        return this.outcome;
      }
    }
    return this.outcome;
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
    const { seed } = config;
    const { batchSize, groupByLength } = config.training;
    const startedAt = performance.now();
    const { epoch, stepInEpoch } = this.position;
    const batches = epochBatches(train, { seed, epoch, batchSize, groupByLength }).slice(stepInEpoch);
    for await (const parts of mapAhead(batches, BATCHES_AHEAD, (batch) => this.gather(batch, epoch))) {
      if (signal?.aborted === true) return false;
      await this.runStep(parts);
    }
    return this.endEpoch((performance.now() - startedAt) / 1000);
  }

  private gather(batch: readonly number[], epoch: number): Promise<StepBatch[]> {
    const { config, train, simulation } = this.options;
    const { batchSize, accumulate } = config.training;
    const random = createRandom(config.seed).fork('dropout').fork(epoch);
    return Promise.all(
      partsOf(batch, batchSize, accumulate).map(async (part) => {
        const gathered = await (simulation?.gather(train, part, epoch) ?? gatherBatch(train, part));
        return { ...gathered, batch: withDropoutSeeds(gathered.batch, train, part, random) };
      }),
    );
  }

  private async runStep(parts: readonly StepBatch[]): Promise<void> {
    const { config, run, events, resultOnly = false } = this.options;
    const { step, epoch, stepInEpoch } = this.position;
    const { learningRate: head, encoderLearningRate: encoder, learningRateFloor: floor } = config.training;
    const schedule = stepSchedule(step, this.totalSteps, { encoder, head, floor }, this.optimizer);
    const outputs = await this.compute(parts, schedule);
    const losses = readLosses(
      outputs as unknown as { total: HostTensor; parts: { [name: string]: HostTensor } },
      step + 1,
    );
    this.memory.update(outputs.observations as HostTree); // after the statistics were read: Eq. 13
    this.epochLosses.add(losses);
    this.position = { step: step + 1, epoch, stepInEpoch: stepInEpoch + 1 };
    if (!resultOnly && this.position.step % STEPS_A_LOG_ROW === 0) {
      const rate = schedule.learningRates.head.data[0] as number;
      const norm = (outputs.gradientNorm as HostTensor | undefined)?.data[0];
      const clipped = norm === undefined ? {} : { gradientNorm: norm };
      await run.appendMetric({ type: 'step', step: step + 1, epoch, ...losses, learningRate: rate, ...clipped });
    }
    events.onStep(this.position, this.totalSteps, losses);
    const { checkpointEvery } = config.training;
    if (checkpointEvery !== undefined && this.position.step % checkpointEvery === 0) {
      await this.save();
    }
  }

  /** One step, part by part: all parts read the same memory, and the last moves the parameters. */
  private async compute(parts: readonly StepBatch[], schedule: HostTree): Promise<HostTree> {
    const posts = parts.map(({ labels }) => labels.data.length);
    const total = posts.reduce((sum, count) => sum + count, 0);
    const memory = this.memory.inputs();
    const inParts = this.options.config.training.accumulate > 1;
    const outputs: HostTree[] = [];
    for (const [index, part] of parts.entries()) {
      const inputs = {
        ...part,
        memory,
        ...(inParts ? { part: stepPart(index, posts[index] as number, total) } : {}),
        ...(index === parts.length - 1 ? { schedule } : {}),
      };
      outputs.push(await this.program.step(inputs));
    }
    const joined = joinParts(outputs, posts);
    return joined.observations === undefined ? { ...joined, observations: {} } : joined; // an empty tree is left out
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
    const { selection } = config.training;
    const described = describeEpoch(selection, val, { epoch, step });
    const isBest = isBetter(described, this.best);
    if (isBest) this.best = described;
    await run.appendMetric({
      type: 'epoch',
      step,
      epoch,
      trainLoss: losses.total,
      trainParts: losses.parts,
      valAccuracy: val?.accuracy ?? null,
      valWeightedF1: val?.weightedF1 ?? null,
      valLoss: val?.calibration?.negativeLogLikelihood ?? null,
      valPosts: val?.count ?? 0,
      seconds,
    });
    await this.save(isBest);
    events.onEpoch(epoch, losses, val, isBest);
    return true;
  }

  private async validate(): Promise<ClassificationReport | 'interrupted' | undefined> {
    const { val, classes, events, signal } = this.options;
    if (val === undefined || val.ids.length === 0) return undefined;
    const onProgress = (done: number, total: number): void => events.onValidation?.(done, total);
    try {
      const predictions = await predictWith(this.program, val, this.memory.inputs(), { onProgress, signal });
      const probabilities = hostTensor(predictions.probabilities, [val.ids.length, classes.length]);
      return classificationReport(val.labels, probabilities, classes);
    } catch (error) {
      if (signal?.aborted === true && error === signal.reason) return 'interrupted';
      throw error;
    }
  }

  /** Saves a checkpoint, or holds it until the end; the best one becomes the run's result. */
  private async save(isBest = false): Promise<void> {
    const { method, resultOnly = false } = this.options;
    if (resultOnly && !isBest) return;
    const progress: SavedProgress = { best: this.best, epochLosses: this.epochLosses.state() };
    const { position, memory } = this;
    const state = await this.program.readState();
    const checkpoint: Checkpoint = { method: method.id, state, memory: memory.state(), position, progress };
    if (resultOnly) this.kept = { ...checkpoint, state: { parameters: state.parameters, moments: {} as never } };
    else await this.write(checkpoint, isBest);
  }

  private async write(checkpoint: Checkpoint, isBest: boolean): Promise<void> {
    const { run, config, method } = this.options;
    const path = run.checkpointPath(checkpoint.position.step);
    const isTrained = trainedBy(method);
    const isLeftOut = (name: string): boolean =>
      !config.training.checkpointFrozen && name.startsWith('encoders.') && !isTrained(name);
    await saveCheckpoint(path, checkpoint, isLeftOut);
    if (isBest) await this.nameBest();
    await run.pruneCheckpoints(config.training.keepCheckpoints);
  }

  private async nameBest(): Promise<void> {
    const { run, config } = this.options;
    if (this.best === undefined) return;
    const checkpoint = basename(run.checkpointPath(this.best.step));
    await run.writeBest({ checkpoint, ...this.best, selection: config.training.selection });
  }
}
