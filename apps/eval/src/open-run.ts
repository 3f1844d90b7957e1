import { basename, relative } from 'node:path';
import { createMethod, RunFolder, type RunDescription, type Session } from '@drf/experiment';
import { loadCheckpoint, type Method, type TrainingPosition } from '@drf/model';
import { ConfigurationError, createRandom, MODALITIES, type HostTree } from '@drf/tensor';
import { ablationsOf } from './paper.js';
import type { RunSummary } from './result.js';

/** A trained model, ready to judge posts. */
export interface OpenedRun {
  readonly folder: RunFolder;
  readonly description: RunDescription;
  readonly method: Method;
  readonly parameters: HostTree;
  /** The restored memory's inputs: DRF's queues. */
  readonly memory: HostTree;
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
    checkpoint: file,
    position,
  };
}

/** The run as results name it. */
export function summarizeRun({ folder, description, checkpoint, position }: OpenedRun): RunSummary {
  const { config, versions } = description;
  return {
    path: shownPath(folder.path),
    name: basename(folder.path),
    method: config.method,
    ablations: ablationsOf(config),
    seed: config.seed,
    trainingDisruption: config.training.disruption,
    dataset: config.dataset.name,
    checkpoint: basename(checkpoint),
    step: position.step,
    epoch: position.epoch,
    git: versions.git,
  };
}

/** A path as a person would type it here: relative where it lies below the working folder. */
export function shownPath(path: string): string {
  const way = relative(process.cwd(), path);
  return way === '' || way.startsWith('..') ? path : way;
}

/**
 * Features of other encoders mean nothing to the model, even where their widths fit.
 * @throws ConfigurationError naming the modality and both ids
 */
export function assertEncoders({ folder, description }: OpenedRun, session: Session): void {
  for (const modality of MODALITIES) {
    const [expected, received] = [description.encoders[modality], session[modality].id];
    if (expected === received) continue;
    throw new ConfigurationError({
      subject: `Run ${shownPath(folder.path)}, ${modality} encoder`,
      expected: `"${expected}", with which it was trained`,
      received: `"${received}"`,
      remedy: 'install the version that it was trained with, or train again',
    });
  }
}
