import { basename, relative } from 'node:path';
import { departuresFromLetter, type ExperimentConfig, type OpenedRun } from '@drf/experiment';
import { MODALITIES, type Modality } from '@drf/tensor';
import { ablationsOf } from './paper.js';
import type { RunSummary } from './result.js';

/** Modalities whose encoders an experiment fine-tunes; none of one that was stored before they could be. */
export function trainedModalities({
  encoders,
}: {
  readonly encoders: Partial<Pick<ExperimentConfig['encoders'], 'trainable'>>;
}): Modality[] {
  return MODALITIES.filter((modality) => encoders.trainable?.[modality] === true);
}

/** A word on what is called `drf-paper` and departs from the letter by its options; none where nothing does. */
export function letterNote(configs: readonly ExperimentConfig[]): string | null {
  const found = new Set(configs.flatMap(departuresFromLetter));
  return found.size === 0 ? null : `drf-paper is not the paper to the letter here: ${[...found].join(', ')}.`;
}

/** The run as results name it. */
export function summarizeRun({ folder, description, checkpoint, position }: OpenedRun): RunSummary {
  const { config, versions } = description;
  return {
    path: shownPath(folder.path),
    name: basename(folder.path),
    method: config.method,
    departures: departuresFromLetter(config),
    ablations: ablationsOf(config),
    seed: config.seed,
    trainingDisruption: config.training.disruption,
    trainedEncoders: trainedModalities(config),
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
