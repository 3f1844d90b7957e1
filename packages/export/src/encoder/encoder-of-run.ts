import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fullEncoderName, mergeLora } from '@drf/encoders';
import { openRun, openTrainedEncoders } from '@drf/experiment';
import { ConfigurationError, mergeTrees, type HostTensor, type HostTree, type Modality } from '@drf/tensor';

/** An encoder as a run trained it: the model that it came from, and its parameters now. */
export interface TrainedEncoderOfRun {
  readonly model: string;
  readonly revision: string | undefined;
  /** Low-rank updates are merged. */
  readonly parameters: HostTree;
}

/** Whether a path is a run folder rather than a model. */
export function isRun(path: string): boolean {
  return existsSync(join(path, 'checkpoints')) && existsSync(join(path, 'config.json'));
}

/**
 * The encoder that a run trained, from its result checkpoint.
 * @param allowDownload whether the hub may be asked for the model that it came from, where the cache lacks it
 * @throws ConfigurationError when the run did not train it; as `openRun`
 */
export async function encoderOfRun(
  path: string,
  modality: Modality,
  allowDownload = false,
): Promise<TrainedEncoderOfRun> {
  const { description, parameters } = await openRun(path, undefined, (config, ids) =>
    openTrainedEncoders(config, { ids, allowDownload }),
  );
  const { encoders } = description.config;
  if (!encoders.trainable[modality]) {
    throw new ConfigurationError({
      subject: `Run ${path}`,
      expected: `one that trained its ${modality} encoder`,
      received: `the frozen encoder ${encoders[modality]}`,
      remedy: 'name the model itself',
    });
  }
  const partOf = (tree: HostTree = {}): HostTree => ((tree['encoders'] ?? {}) as HostTree)[modality] as HostTree;
  const whole = mergeTrees<HostTensor>(partOf(parameters.trained) ?? {}, partOf(parameters.fixed) ?? {});
  return {
    model: fullEncoderName(encoders[modality]).replace(/^huggingface:/, ''),
    revision: encoders.revision[modality],
    parameters: encoders.lora.rank > 0 ? mergeLora(whole, encoders.lora) : whole,
  };
}
