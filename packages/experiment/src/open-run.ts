import {
  stepParameters,
  wholeParameters,
  withoutEncoders,
  type EncodedMethod,
  type Memory,
  type Method,
  type MethodParameters,
  type StepEncoders,
  type TrainingPosition,
} from '@drf/model';
import { loadCheckpoint } from '@drf/model/checkpoint';
import { createRandom, type Host, type HostTensor, type HostTree } from '@drf/tensor';
import { createEncodedMethod, createMethod, discriminantShare } from './method.js';
import { RunFolder, type RunDescription } from './run-folder.js';
import type { ExperimentConfig } from './schema.js';
import { openTrainedEncoders } from './session.js';

/** A trained model, ready to judge posts. */
export interface OpenedRun {
  readonly folder: RunFolder;
  readonly description: RunDescription;
  /** Over the encoders that were trained with it, if any. */
  readonly method: EncodedMethod;
  readonly parameters: Host<MethodParameters>;
  /** The restored memory's inputs: DRF's queues. */
  readonly memory: HostTree;
  /** As {@link Memory.refitted} of the restored memory, where the method has it. */
  readonly refitted?: Memory['refitted'];
  /** Path of the checkpoint. */
  readonly checkpoint: string;
  readonly position: TrainingPosition;
}

/**
 * Opens a run with its result checkpoint (the best, else the last), or with a given one.
 * @param openEncoders gives the encoders that were trained in the run: opened here out of folders and the cache, without a
 *   network, unless the caller has them already
 * @throws DataError when there is no such run or it has no checkpoint; CheckpointError when the checkpoint is truncated,
 *   damaged, or of another model; what opening encoders throws
 */
export async function openRun(
  path: string,
  checkpoint?: string,
  openEncoders: (config: ExperimentConfig, ids: RunDescription['encoders']) => Promise<StepEncoders> = (config, ids) =>
    openTrainedEncoders(config, { ids }),
): Promise<OpenedRun> {
  const folder = await RunFolder.open(path);
  const description = await folder.readDescription();
  const { config, shapes } = description;
  const method = createEncodedMethod(config, shapes, await openEncoders(config, description.encoders));
  const file = checkpoint ?? (await folder.resultCheckpoint());
  // names, shapes, and what a checkpoint leaves out
  const like = wholeParameters(method, method.initialParameters(createRandom(config.seed)));
  const { state, memory, position } = await loadCheckpoint(file, { method: method.id, parameters: like });
  const remembered = method.createMemory();
  remembered.restore(memory);
  return {
    folder,
    description,
    method,
    parameters: stepParameters(method, state.parameters),
    memory: remembered.inputs(),
    ...(remembered.refitted === undefined ? {} : { refitted: remembered.refitted.bind(remembered) }),
    checkpoint: file,
    position,
  };
}

/** What people should know of a run that is judged by; nothing of one that is whole. */
export function notesOnRun({
  description,
  parameters,
}: Pick<OpenedRun, 'parameters'> & { readonly description: Pick<RunDescription, 'config'> }): string[] {
  const discriminants = parameters.fixed?.discriminants as HostTree | undefined;
  const share = (discriminants?.share as HostTensor | undefined)?.data[0];
  if (share !== 0 || discriminantShare(description.config) === 0) return [];
  return ['The discriminants of this checkpoint are not fitted, so it judges by the method alone: it is not the result of its run, or training was interrupted before its end.']; // prettier-ignore
}

/** A run with its head alone, which reads features: for programs that bring those of trained encoders themselves. */
export function headOf(run: OpenedRun): OpenedRun & { readonly method: Method } {
  const { trained, fixed = {} } = run.parameters;
  const parameters = { trained: withoutEncoders(trained), fixed: withoutEncoders(fixed) };
  const { config, shapes } = run.description;
  return { ...run, method: createMethod(config, shapes), parameters };
}
