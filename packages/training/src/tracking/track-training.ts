import { basename, dirname } from 'node:path';
import { optionsOfEffect, type ExperimentConfig, type RunFolder } from '@drf/experiment';
import type { Display } from '../display.js';
import type { Selected } from '../selection.js';
import type { TrainerOutcome } from '../trainer.js';
import type { Tracker, TrackedRun } from './tracker.js';

/** What a tracker is told of a run: its options but for the places of its data, its method. */
function describeTracked(run: RunFolder, config: ExperimentConfig, kind: TrackedRun['kind']): TrackedRun {
  const options = (['result', 'data', 'none'] as const).flatMap((effect) => optionsOfEffect(config, effect));
  const folder = basename(run.path);
  const isFold = folder === `fold${config.dataset.fold}`; // of all, in a folder that tells whose
  const name = isFold ? `${basename(dirname(run.path))}/${folder}` : folder;
  return {
    name,
    experiment: config.name,
    folder: run.path,
    parameters: Object.fromEntries(options),
    tags: { 'mlflow.source.name': 'drf train', 'drf.run': name, 'drf.method': config.method },
    kind,
  };
}

/** What of a training's options a tracker looks at. */
interface TrackableOptions {
  readonly config: ExperimentConfig;
  readonly run: RunFolder;
  readonly resume: boolean;
  readonly display: Display;
  readonly signal?: AbortSignal;
}

/** What of its result. */
interface TrackableResult {
  readonly outcome: TrainerOutcome;
  readonly selected: Selected | undefined;
  readonly notes: readonly string[];
}

/** Trains as asked, and tells a tracker how it goes, which changes nothing of the training. */
export async function trackTraining<Options extends TrackableOptions, Result extends TrackableResult>(
  tracker: Tracker,
  options: Options,
  train: (options: Options) => Promise<Result>,
): Promise<Result> {
  const { run, config, display, resume } = options;
  tracker.begin(describeTracked(run, config, resume ? 'continue' : 'new'));
  const tracked: Display = {
    ...display,
    onEpoch: (epoch, losses, val, isBest) => {
      display.onEpoch(epoch, losses, val, isBest);
      const parts = Object.entries(losses.parts).map(([name, loss]) => [`train_loss/${name}`, loss] as const);
      const validation = {
        val_accuracy: val?.accuracy ?? null,
        val_weighted_f1: val?.weightedF1 ?? null,
        val_macro_f1: val?.macroF1 ?? null,
        val_loss: val?.calibration?.negativeLogLikelihood ?? null,
      };
      tracker.metrics({ train_loss: losses.total, ...Object.fromEntries(parts), ...validation }, epoch);
    },
  };
  try {
    const result = await train({ ...options, display: tracked });
    const { epoch, validation } = result.selected ?? {};
    tracker.metrics({ best_epoch: epoch ?? null, best_val_accuracy: validation?.accuracy ?? null }, epoch ?? 0);
    for (const name of ['report.html', 'README.md']) tracker.artifact(name, run.file(name));
    const notes = await tracker.end(result.outcome === 'interrupted' ? 'interrupted' : 'finished');
    return { ...result, notes: [...result.notes, ...notes] };
  } catch (error) {
    const isInterrupted = options.signal?.aborted === true && error === options.signal.reason;
    await tracker.end(isInterrupted ? 'interrupted' : 'failed');
    throw error;
  }
}

/** Scores of a cell, as evaluations have them. */
interface TrackedCell {
  readonly cell: string;
  readonly report: { readonly accuracy: number; readonly weightedF1: number; readonly macroF1: number };
}

/**
 * Adds an evaluation's cells to what a tracker knows of the run, as `test/clean/accuracy`.
 * @returns what a person should know, one sentence each
 */
export async function trackEvaluation(
  tracker: Tracker,
  run: RunFolder,
  config: ExperimentConfig,
  {
    evaluation: { split },
    cells,
  }: { readonly evaluation: { readonly split: string }; readonly cells: readonly TrackedCell[] },
): Promise<readonly string[]> {
  tracker.begin(describeTracked(run, config, 'extend'));
  const values = cells.flatMap(({ cell, report: { accuracy, weightedF1, macroF1 } }) =>
    Object.entries({ accuracy, weighted_f1: weightedF1, macro_f1: macroF1 }).map(
      ([name, value]) => [`${split}/${cell.replaceAll(':', '-').replaceAll('+', 'and')}/${name}`, value] as const,
    ),
  );
  tracker.metrics(Object.fromEntries(values), 0);
  tracker.artifact('README.md', run.file('README.md'));
  return tracker.end('finished');
}
