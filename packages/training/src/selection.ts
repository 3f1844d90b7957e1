import type { ClassificationReport } from '@drf/metrics';
import { answersOf, type BestCheckpoint, type ExperimentConfig } from '@drf/experiment';

/** Which epoch so far is the result. */
export interface Selected {
  readonly epoch: number;
  readonly step: number;
  readonly score: number;
  /** Validation loss, which decides between equal scores; null without validation. */
  readonly loss: number | null;
  /** On how many posts the epoch was validated, and what share of them it got right, by class, too; null without any. */
  readonly validation: NonNullable<BestCheckpoint['validation']> | null;
}

/** An epoch as {@link Selected}, judged by its validation; without one, the last epoch is the best. */
export function describeEpoch(
  selection: ExperimentConfig['training']['selection'],
  report: ClassificationReport | undefined,
  { epoch, step }: { readonly epoch: number; readonly step: number },
): Selected {
  if (report === undefined) return { epoch, step, score: epoch, loss: null, validation: null };
  return {
    epoch,
    step,
    score: scoreOf(selection, report, epoch),
    loss: report.calibration?.negativeLogLikelihood ?? null,
    validation: {
      posts: report.count,
      accuracy: report.accuracy,
      classes: answersOf('val', report).classes.map(({ support, predicted, right }) => ({ support, predicted, right })),
    },
  };
}

/**
 * Whether an epoch takes the place of the best one before it: by a higher score, or by the same score at a lower
 * validation loss. Few posts give few different accuracies, and the first epoch to reach the highest is seldom the one
 * that has learned most. Of epochs alike in both, the first stays.
 */
export function isBetter(epoch: Selected, best: Selected | undefined): boolean {
  if (best === undefined || epoch.score > best.score) return true;
  return epoch.score === best.score && (epoch.loss ?? Infinity) < (best.loss ?? Infinity);
}

/** An epoch's score by a selection rule: larger is better. */
function scoreOf(
  selection: ExperimentConfig['training']['selection'],
  report: ClassificationReport,
  epoch: number,
): number {
  switch (selection) {
    case 'best-accuracy':
      return report.accuracy;
    case 'best-weighted-f1':
      return report.weightedF1;
    case 'best-macro-f1':
      return report.macroF1;
    case 'best-loss':
      return -(report.calibration?.negativeLogLikelihood ?? Infinity);
    case 'last':
      return epoch;
  }
}

/** Whether training may stop early: no better epoch for `patience` epochs. */
export function isExhausted(best: Selected | undefined, epoch: number, patience: number | undefined): boolean {
  return patience !== undefined && best !== undefined && epoch - best.epoch >= patience;
}
