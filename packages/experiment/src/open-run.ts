import { loadCheckpoint, type Method, type TrainingPosition } from '@drf/model';
import { createRandom, type HostTree } from '@drf/tensor';
import { createMethod } from './method.js';
import { RunFolder, type RunDescription } from './run-folder.js';

/** A trained model, ready to judge posts. */
export interface OpenedRun {
  readonly folder: RunFolder;
  readonly description: RunDescription;
  readonly method: Method;
  readonly parameters: HostTree;
  /** The restored memory's inputs: DRF's queues. */
  readonly memory: HostTree;
  /** Path of the checkpoint. */
  readonly checkpoint: string;
  readonly position: TrainingPosition;
}

/**
 * Opens a run with its result checkpoint (the best, else the last), or with a given one.
 * @throws DataError when there is no such run or it has no checkpoint; CheckpointError when the checkpoint is truncated,
 *   damaged, or of another model
 */
export async function openRun(path: string, checkpoint?: string): Promise<OpenedRun> {
  const folder = await RunFolder.open(path);
  const description = await folder.readDescription();
  const method = createMethod(description.config, description.shapes);
  const file = checkpoint ?? (await folder.resultCheckpoint());
  const like = method.initialParameters(createRandom(description.config.seed)); // for names and shapes alone
  const { state, memory, position } = await loadCheckpoint(file, { method: method.id, parameters: like });
  const remembered = method.createMemory();
  remembered.restore(memory);
  const parameters = state.parameters as HostTree;
  return { folder, description, method, parameters, memory: remembered.inputs(), checkpoint: file, position };
}
