import { basename, relative } from 'node:path';
import type { OpenedRun, Session } from '@drf/experiment';
import { ConfigurationError, MODALITIES } from '@drf/tensor';
import { ablationsOf } from './paper.js';
import type { RunSummary } from './result.js';

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
