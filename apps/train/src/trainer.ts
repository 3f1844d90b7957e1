import { basename } from 'node:path';
import {
  ADAMW_DEFAULTS,
  createTrainingStep,
  initialTrainingState,
  loadCheckpoint,
  saveCheckpoint,
  stepSchedule,
  type Checkpoint,
  type Memory,
  type Method,
  type TrainingInputs,
  type TrainingOutputs,
  type TrainingPosition,
  type TrainingState,
} from '@drf/model';
import { classificationReport, type ClassificationReport } from '@drf/metrics';
import { gatherBatch, Predictor, type ExperimentConfig, type FeatureSet, type RunFolder } from '@drf/experiment';
import {
  createRandom,
  hostTensor,
  type Engine,
  type Host,
  type HostTensor,
  type HostTree,
  type StepProgram,
} from '@drf/tensor';
import { LossMean, readLosses, type StepLosses } from './finite.js';
import { isExhausted, scoreOf, type Selected } from './selection.js';

/** What the trainer reports as it goes. */
export interface TrainerEvents {
  onStep(position: TrainingPosition, totalSteps: number, losses: StepLosses): void;
  onEpoch(epoch: number, train: StepLosses, val: ClassificationReport | undefined, isBest: boolean): void;
}

export interface TrainerOptions {
  readonly config: ExperimentConfig;
  readonly classes: readonly string[];
  readonly method: Method;
  readonly engine: Engine;
  readonly run: RunFolder;
  readonly train: FeatureSet;
  /** Left out or empty: no validation; the last epoch is the result. */
  readonly val?: FeatureSet;
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
    private readonly program: StepProgram<TrainingState, TrainingInputs, TrainingOutputs>,
    private readonly predictor: Predictor,
  ) {
    const { config, method, train } = options;
    this.memory = method.createMemory();
    this.optimizer = { ...ADAMW_DEFAULTS, weightDecay: config.training.weightDecay };
    this.stepsAnEpoch = Math.ceil(train.ids.length / config.training.batchSize);
    this.totalSteps = this.stepsAnEpoch * config.training.epochs;
  }

  static async create(options: TrainerOptions): Promise<Trainer> {
    const { config, engine, method } = options;
    const parameters = method.initialParameters(createRandom(config.seed).fork('parameters'));
    const step = createTrainingStep(method, { ...ADAMW_DEFAULTS, weightDecay: config.training.weightDecay });
    const program = await engine.prepareStep(step, initialTrainingState(parameters));
    const trainer = new Trainer(options, program, await Predictor.create(engine, method));
    try {
      if (options.resume) await trainer.restore(parameters);
      return trainer;
    } catch (error) {
      await trainer.dispose();
      throw error;
    }
  }

  private async restore(parameters: HostTree): Promise<void> {
    const { run, method } = this.options;
    const checkpoint = await loadCheckpoint(await run.latestCheckpoint(), { method: method.id, parameters });
    await this.program.writeState(checkpoint.state);
    this.memory.restore(checkpoint.memory);
    this.position = checkpoint.position;
    const progress = checkpoint.progress as SavedProgress;
    this.best = progress.best;
    this.epochLosses.restore(progress.epochLosses);
    await run.truncateMetrics(checkpoint.position.step);
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
        await this.save(await this.program.readState());
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
    await this.predictor.dispose();
  }

  /** @returns false when interrupted before the epoch's end */
  private async runEpoch(): Promise<boolean> {
    const { config, train, signal } = this.options;
    const startedAt = performance.now();
    const { epoch } = this.position;
    const order = createRandom(config.seed)
      .fork('order')
      .fork(epoch)
      .shuffle(train.ids.map((_, index) => index));
    while (this.position.stepInEpoch < this.stepsAnEpoch) {
      if (signal?.aborted === true) return false;
      const start = this.position.stepInEpoch * config.training.batchSize;
      await this.runStep(order.slice(start, start + config.training.batchSize));
    }
    this.position = { step: this.position.step, epoch: epoch + 1, stepInEpoch: 0 };
    await this.endEpoch((performance.now() - startedAt) / 1000);
    return true;
  }

  private async runStep(indices: readonly number[]): Promise<void> {
    const { config, run, events, train, resultOnly = false } = this.options;
    const { step, epoch, stepInEpoch } = this.position;
    const { learningRate: head, encoderLearningRate: encoder, learningRateFloor: floor } = config.training;
    const schedule = stepSchedule(step, this.totalSteps, { encoder, head, floor }, this.optimizer);
    const inputs = { ...(await gatherBatch(train, indices)), memory: this.memory.inputs(), schedule };
    const outputs = await this.program.step(inputs as unknown as Host<TrainingInputs>);
    const losses = readLosses(
      outputs as unknown as { total: HostTensor; parts: { [name: string]: HostTensor } },
      step + 1,
    );
    this.memory.update(outputs.observations as unknown as HostTree); // after the statistics were read: Eq. 13
    this.epochLosses.add(losses);
    this.position = { step: step + 1, epoch, stepInEpoch: stepInEpoch + 1 };
    if (!resultOnly && this.position.step % STEPS_A_LOG_ROW === 0) {
      const rate = (schedule.learningRates.head as unknown as HostTensor).data[0] as number;
      await run.appendMetric({ type: 'step', step: step + 1, epoch, ...losses, learningRate: rate });
    }
    events.onStep(this.position, this.totalSteps, losses);
    const { checkpointEvery } = config.training;
    if (checkpointEvery !== undefined && this.position.step % checkpointEvery === 0) {
      await this.save(await this.program.readState());
    }
  }

  private async endEpoch(seconds: number): Promise<void> {
    const { config, run, events } = this.options;
    const { epoch, step } = this.position;
    const losses = this.epochLosses.mean();
    this.epochLosses = new LossMean();
    const state = await this.program.readState();
    const report = await this.validate(state.parameters as HostTree);
    const { selection } = config.training;
    const score = report === undefined ? epoch : scoreOf(selection, report, epoch);
    const isBest = this.best === undefined || score > this.best.score;
    if (isBest) this.best = { epoch, step, score };
    await run.appendMetric({
      type: 'epoch',
      step,
      epoch,
      trainLoss: losses.total,
      trainParts: losses.parts,
      valAccuracy: report?.accuracy ?? null,
      valWeightedF1: report?.weightedF1 ?? null,
      valLoss: report?.calibration?.negativeLogLikelihood ?? null,
      seconds,
    });
    await this.save(state, isBest);
    events.onEpoch(epoch, losses, report, isBest);
  }

  private async validate(parameters: HostTree): Promise<ClassificationReport | undefined> {
    const { val, classes } = this.options;
    if (val === undefined || val.ids.length === 0) return undefined;
    const predictions = await this.predictor.predict(val, parameters, this.memory.inputs());
    const probabilities = hostTensor(predictions.probabilities, [val.ids.length, classes.length]);
    return classificationReport(val.labels, probabilities, classes);
  }

  /** Saves a checkpoint, or holds it until the end; the best one becomes the run's result. */
  private async save(state: Host<TrainingState>, isBest = false): Promise<void> {
    const { method, resultOnly = false } = this.options;
    if (resultOnly && !isBest) return;
    const progress: SavedProgress = { best: this.best, epochLosses: this.epochLosses.state() };
    const checkpoint: Checkpoint = {
      method: method.id,
      state,
      memory: this.memory.state(),
      position: this.position,
      progress,
    };
    if (resultOnly) this.kept = { ...checkpoint, state: { parameters: state.parameters, moments: {} as never } };
    else await this.write(checkpoint, isBest);
  }

  private async write(checkpoint: Checkpoint, isBest: boolean): Promise<void> {
    const { run, config } = this.options;
    const path = run.checkpointPath(checkpoint.position.step);
    await saveCheckpoint(path, checkpoint);
    if (isBest && this.best !== undefined) {
      await run.writeBest({ checkpoint: basename(path), ...this.best, selection: config.training.selection });
    }
    await run.pruneCheckpoints(config.training.keepCheckpoints);
  }
}
