import { join } from 'node:path';
import { methodNeeds } from '@drf/experiment';
import { cellAddress, trainingAddress, trainingIdentity } from './address.js';
import type { ExperimentFacts, FeatureTask, TrainingTask } from './messages.js';
import type { PlannedTraining } from './plan.js';

/** Characters of an address that name a run's folder. */
const FOLDER_NAME = 20;

/** Folder of the runs, beside the store. */
export const RUNS = 'trainings';

export interface TaskOptions {
  /** Folder of the grid. */
  readonly folder: string;
  readonly code: string;
  readonly facts: ReadonlyMap<string, ExperimentFacts>;
  /** Cells that need not be computed, by address, or by identity where any code will do. */
  readonly known: ReadonlySet<string>;
  readonly knownBy: 'address' | 'identity';
}

/** What is left to do of a plan: trainings with the cells that the store lacks. */
export function remainingTasks(plan: readonly PlannedTraining[], options: TaskOptions): TrainingTask[] {
  return plan.map((planned) => taskOf(planned, options)).filter(({ cells }) => cells.length > 0);
}

function taskOf(planned: PlannedTraining, { folder, code, facts, known, knownBy }: TaskOptions): TrainingTask {
  const { config, experiment, method, without, keepFeatures } = planned;
  const { trainingData: data, evaluatedData, encoders, engine } = facts.get(experiment) as ExperimentFacts;
  const identity = trainingIdentity({ config, data, encoders, engine });
  const address = trainingAddress(identity, code);
  const storedFolder = join(RUNS, address.slice(0, FOLDER_NAME));
  const cells = planned.cells
    .map((name) => ({
      name,
      address: cellAddress(address, evaluatedData, name),
      identity: cellAddress(identity, evaluatedData, name),
    }))
    .filter((cell) => !known.has(cell[knownBy]));
  return {
    config,
    experiment,
    method,
    without,
    identity,
    code,
    address,
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
    const { config, experiment } = task;
    const key = JSON.stringify([experiment, config.seed, strategy, posts, methodNeeds(config)]);
    if (!found.has(key)) found.set(key, { experiment, config, strategy, posts });
  };
  for (const task of tasks) {
    add(task, task.config.training.disruption, 'training');
    add(task, 'none', 'evaluated');
    for (const { name } of task.cells) if (name !== 'clean') add(task, name, 'evaluated');
  }
  return [...found.values()];
}

/** Steps of a training. */
export function stepsOf({ config, experiment }: TrainingTask, facts: ReadonlyMap<string, ExperimentFacts>): number {
  const { posts } = facts.get(experiment) as ExperimentFacts;
  return Math.ceil(posts.train / config.training.batchSize) * config.training.epochs;
}
