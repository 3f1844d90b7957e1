import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { formatStrategy, type Strategy } from '@drf/disruption';
import { methodNeeds, optionsOfEffect, type ExperimentConfig } from '@drf/experiment';
import { contentHash, writeFileAtomic } from '@drf/files';
import { localFeatureCache } from '@drf/storage';
import type { Selected } from '@drf/training';
import { CLEAN, formatCell } from '../cells.js';
import type { PlannedTraining } from './plan.js';

/**
 * Version of the results that the code gives for a training and its cells. Raise it by one with every change after which
 * the same experiment on the same data gives other probabilities: of the model, its losses, the trainer, the encoders,
 * the engine, the disruptions or the reading of data. What stores hold of earlier versions is then computed again. A test
 * guards it: it trains a tiny model and compares its probabilities with those of this version, bit by bit on processors for
 * whose kernels they are recorded.
 */
export const RESULT_VERSION = 3;

/** Counted before options said what they decide: stays in identities, so that stores keep what they know. */
const ONCE_COUNTED: [string, unknown] = ['training.checkpointFrozen', false];

/**
 * Equal for trainings that must give equal results under one {@link RESULT_VERSION}.
 * @param data hash of the training and validation posts: ids, labels, contents, and how they are decoded
 * @param engine the one that was chosen, not the word that chose it
 */
export function trainingIdentity(
  config: ExperimentConfig,
  { trainingData: data, encoders, engine }: Pick<ExperimentFacts, 'trainingData' | 'encoders' | 'engine'>,
): string {
  const options = [...optionsOfEffect(config, 'result'), ONCE_COUNTED].sort(([one], [other]) => (one < other ? -1 : 1));
  return contentHash('drf-training/1', JSON.stringify(options), data, encoders.image, encoders.text, engine);
}

/** @param training its identity @param posts hash of the evaluated posts' ids, labels and contents */
export function cellIdentity(training: string, posts: string, testedOn: Strategy): string {
  return contentHash('drf-cell/1', training, posts, formatCell({ testedOn }));
}

/** What is known of an experiment before anything is trained. */
export interface ExperimentFacts {
  readonly encoders: { readonly image: string; readonly text: string };
  readonly engine: string;
  /** Hash of training and validation posts. */
  readonly trainingData: string;
  /** Hash of the evaluated posts. */
  readonly evaluatedData: string;
  readonly split: string;
  readonly posts: { readonly train: number; readonly val: number; readonly evaluated: number };
  readonly notes: readonly string[];
}

/** What shares data: an experiment, of a cross-validation one fold of it. */
export function experimentName({ experiment, fold }: Pick<PlannedTraining, 'experiment' | 'fold'>): string {
  return fold === null ? experiment : `${experiment}, fold ${fold.fold} of ${fold.folds}`;
}

/** Facts by {@link experimentName}. */
export type FactsByName = ReadonlyMap<string, ExperimentFacts>;

function factsOf(facts: FactsByName, planned: Pick<PlannedTraining, 'experiment' | 'fold'>): ExperimentFacts {
  return facts.get(experimentName(planned)) as ExperimentFacts;
}

/** One training with the cells that are to be evaluated. */
export interface TrainingTask extends Omit<PlannedTraining, 'testedOn'> {
  readonly identity: string;
  /** Of its run, relative to the grid's. */
  readonly folder: string;
  readonly cells: readonly { readonly testedOn: Strategy; readonly identity: string }[];
}

/** Posts that are to be encoded: splits `train` and `val` of a training, or the evaluated posts of a cell. */
export interface FeatureTask extends Pick<PlannedTraining, 'experiment' | 'fold' | 'config'> {
  readonly strategy: Strategy;
  readonly posts: 'training' | 'evaluated';
}

/** A trial that is to be trained to some epoch: from its beginning, or from where it stands. */
export interface TrialTask {
  readonly config: ExperimentConfig;
  /** Of its run, relative to the tuning's. */
  readonly folder: string;
  /** Epochs in all after which it stops; those of the configuration: to its end. */
  readonly epochs: number;
}

/** How a trial does. */
export interface TrialOutcome {
  /** The best epoch so far, judged on the validation split. */
  readonly selected: Selected;
  readonly seconds: number;
}

/** Characters of an identity that name a run's folder. */
const FOLDER_NAME = 20;

/**
 * What is left to do of a plan: trainings with the cells that the store lacks.
 * @param known identities of cells that need not be computed
 */
export function remainingTasks(
  plan: readonly PlannedTraining[],
  facts: FactsByName,
  known: ReadonlySet<string>,
): TrainingTask[] {
  const tasks = plan.map(({ testedOn: all, ...planned }): TrainingTask => {
    const own = factsOf(facts, planned);
    const identity = trainingIdentity(planned.config, own);
    const cells = all
      .map((testedOn) => ({ testedOn, identity: cellIdentity(identity, own.evaluatedData, testedOn) }))
      .filter((cell) => !known.has(cell.identity));
    const folder = join('trainings', `${identity.slice(0, FOLDER_NAME)}-${RESULT_VERSION}`);
    return { ...planned, identity, folder, cells };
  });
  return tasks.filter(({ cells }) => cells.length > 0);
}

/** Features that tasks need: each disruption of each seed once, for training posts and for evaluated ones, with
 * what methods ask for beyond them (tokens). */
export function featureTasks(tasks: readonly TrainingTask[]): FeatureTask[] {
  const found = new Map<string, FeatureTask>();
  const add = (task: TrainingTask, strategy: Strategy, posts: FeatureTask['posts']): void => {
    const { config, experiment, fold } = task;
    const key = [experiment, fold, config.seed, formatStrategy(strategy), posts, methodNeeds(config)];
    if (!found.has(JSON.stringify(key))) found.set(JSON.stringify(key), { experiment, fold, config, strategy, posts });
  };
  for (const task of tasks) {
    add(task, task.trainedOn, 'training');
    for (const testedOn of [CLEAN, ...task.cells.map((cell) => cell.testedOn)]) add(task, testedOn, 'evaluated');
  }
  return [...found.values()];
}

/** For people: "mvsa-s drf, trained on random:0.6:C, seed 3". */
export function nameTraining(task: TrainingTask): string {
  const { method, without, trainedOn, seed } = task;
  const part = without === null ? '' : ` ${without}`;
  const disruption = trainedOn.kind === 'none' ? '' : `, trained on ${formatStrategy(trainedOn)}`;
  return `${experimentName(task)} ${method}${part}${disruption}, seed ${seed}`;
}

/** For people: "features of mvsa-s, 20 sets of seed 3". */
export function nameFeatures(tasks: readonly FeatureTask[]): string {
  const [{ experiment, config, strategy }] = tasks as readonly [FeatureTask];
  const of = strategy.kind === 'none' ? 'of intact posts' : `of seed ${config.seed}`;
  return `features of ${experiment}, ${tasks.length} ${tasks.length === 1 ? 'set' : 'sets'} ${of}`;
}

/** Steps of a training. */
export function stepsOf(task: TrainingTask, facts: FactsByName): number {
  const { batchSize, epochs } = task.config.training;
  return Math.ceil(factsOf(facts, task).posts.train / batchSize) * epochs;
}

/**
 * Feature sets that a cache is known to hold, so that a grid that goes on need not read every post again to find that
 * nothing is missing. A name that outlives its features does no harm: what a training misses it encodes itself.
 */
export class EncodedSets {
  private constructor(
    private readonly folder: string,
    private readonly names: Set<string>,
    private readonly facts: FactsByName,
  ) {}

  /** @param cache the feature cache; it need not exist */
  static async open(cache: string, facts: FactsByName): Promise<EncodedSets> {
    const folder = join(localFeatureCache(cache), 'encoded-sets');
    return new EncodedSets(folder, new Set(await readdir(folder).catch(() => [])), facts);
  }

  has(task: FeatureTask): boolean {
    return this.names.has(this.nameOf(task));
  }

  /** Called once every post of a set could be encoded. */
  async add(task: FeatureTask): Promise<void> {
    const name = this.nameOf(task);
    await writeFileAtomic(join(this.folder, name), '');
    this.names.add(name);
  }

  /** Hash of everything that decides which rows a set has in the cache. */
  nameOf(task: FeatureTask): string {
    const { encoders, trainingData, evaluatedData } = factsOf(this.facts, task);
    const data = task.posts === 'training' ? trainingData : evaluatedData;
    const needs = JSON.stringify(methodNeeds(task.config));
    const { image, text } = encoders;
    const strategy = formatStrategy(task.strategy);
    return contentHash('drf-feature-set/1', data, task.posts, image, text, strategy, String(task.config.seed), needs);
  }
}
