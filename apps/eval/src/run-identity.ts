import { basename, relative } from 'node:path';
import type { OpenedRun } from '@drf/experiment';
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
