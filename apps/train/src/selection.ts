import type { ClassificationReport } from '@drf/metrics';
import type { ExperimentConfig } from '@drf/experiment';

/** Which epoch so far is the result. */
export interface Selected {
  readonly epoch: number;
  readonly step: number;
  readonly score: number;
}

/** An epoch's score by a selection rule: larger is better. */
export function scoreOf(
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
