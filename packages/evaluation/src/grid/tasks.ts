import { join } from 'node:path';
import { methodNeeds } from '@drf/experiment';
import { formatCell } from '../cells.js';
import { cellIdentity, RESULT_VERSION, trainingIdentity } from './identity.js';
import type { ExperimentFacts, FeatureTask, TrainingTask } from './messages.js';
import type { PlannedTraining } from './plan.js';

/** Characters of an identity that name a run's folder. */
const FOLDER_NAME = 20;

/** Folder of the runs, beside the store. */
export const RUNS = 'trainings';

export interface TaskOptions {
  /** Folder of the grid. */
  readonly folder: string;
  readonly facts: ReadonlyMap<string, ExperimentFacts>;
  /** Identities of cells that need not be computed. */
  readonly known: ReadonlySet<string>;
}

/** What is left to do of a plan: trainings with the cells that the store lacks. */
export function remainingTasks(plan: readonly PlannedTraining[], options: TaskOptions): TrainingTask[] {
  return plan.map((planned) => taskOf(planned, options)).filter(({ cells }) => cells.length > 0);
}

function taskOf(planned: PlannedTraining, { folder, facts, known }: TaskOptions): TrainingTask {
  const { config, experiment, fold, method, without, keepFeatures } = planned;
  const { trainingData: data, evaluatedData, encoders, engine } = facts.get(factsKey(planned)) as ExperimentFacts;
  const identity = trainingIdentity({ config, data, encoders, engine });
  const storedFolder = join(RUNS, `${identity.slice(0, FOLDER_NAME)}-${RESULT_VERSION}`);
  const cells = planned.cells
    .map((testedOn) => formatCell({ testedOn }))
    .map((name) => ({ name, identity: cellIdentity(identity, evaluatedData, name) }))
    .filter((cell) => !known.has(cell.identity));
  return {
    config,
    experiment,
    fold,
    method,
    without,
    identity,
    resultVersion: RESULT_VERSION,
    folder: join(folder, storedFolder),
    storedFolder,
    cells,
    keepFeatures,
  };
}

/** Features that tasks need: each disruption of each seed once, for training posts and for evaluated ones, with
 * what methods ask for beyond them (tokens). */
export function featureTasks(tasks: readonly TrainingTask[]): FeatureTask[] {
  const found = new Map<string, FeatureTask>();
  const add = (task: TrainingTask, strategy: string, posts: FeatureTask['posts']): void => {
    const { config, experiment, fold } = task;
    const key = JSON.stringify([experiment, fold, config.seed, strategy, posts, methodNeeds(config)]);
    if (!found.has(key)) found.set(key, { experiment, fold, config, strategy, posts });
  };
  for (const task of tasks) {
    add(task, task.config.training.disruption, 'training');
    add(task, 'none', 'evaluated');
    for (const { name } of task.cells) if (name !== 'clean') add(task, name, 'evaluated');
  }
  return [...found.values()];
}

/** Steps of a training. */
export function stepsOf(task: TrainingTask, facts: ReadonlyMap<string, ExperimentFacts>): number {
  const { posts } = facts.get(factsKey(task)) as ExperimentFacts;
  const { config } = task;
  return Math.ceil(posts.train / config.training.batchSize) * config.training.epochs;
}

/** What shares data: an experiment, of a cross-validation one fold of it. */
export function factsKey({ experiment, fold }: Pick<PlannedTraining, 'experiment' | 'fold'>): string {
  return fold === null ? experiment : `${experiment}, fold ${fold.fold} of ${fold.folds}`;
}
