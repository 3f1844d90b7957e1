import { basename } from 'node:path';
import { createMethod, RunFolder, type RunDescription } from '@drf/experiment';
import { loadCheckpoint, type Method, type TrainingPosition } from '@drf/model';
import { createRandom, type HostTree } from '@drf/tensor';

/** A trained model: its method with the numbers that training arrived at. */
export interface OpenedRun {
  readonly folder: RunFolder;
  readonly description: RunDescription;
  readonly method: Method;
  readonly parameters: HostTree;
  /** The restored memory's inputs: DRF's queues. */
  readonly memory: HostTree;
  /** File name of the checkpoint. */
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
  return {
    folder,
    description,
    method,
    parameters: state.parameters as HostTree,
    memory: remembered.inputs(),
    checkpoint: basename(file),
    position,
  };
}
