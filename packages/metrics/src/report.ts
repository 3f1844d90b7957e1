import { ConfigurationError } from '@drf/tensor';
import { calibrationError, negativeLogLikelihood, reliabilityBins, type ReliabilityBin } from './calibration.js';
import { argMax, probabilityRows, type ClassIndices, type Probabilities } from './checks.js';
import {
  accuracyOf,
  classScores,
  confusionMatrix,
  countsOf,
  macroF1Of,
  weightedF1Of,
  type ConfusionMatrix,
  type PerClassScores,
} from './scores.js';
import { wilsonInterval, type Interval } from './interval.js';

/** How far probabilities are to be trusted. */
export interface CalibrationReport {
  readonly expectedCalibrationError: number;
  /** In nats. */
  readonly negativeLogLikelihood: number;
  readonly bins: readonly ReliabilityBin[];
}

/** Everything that is said about one run on one set of posts. Plain data, so that JSON holds all of it. */
export interface ClassificationReport {
  readonly count: number;
  readonly classes: readonly string[];
  readonly accuracy: number;
  /** Wilson, 95 %. */
  readonly accuracyInterval: Interval;
  /** Accuracy of always answering the most frequent class of these posts. */
  readonly majorityAccuracy: number;
  /** Weighted by support: the paper's F1. */
  readonly weightedF1: number;
  /** Over the classes that have posts. */
  readonly macroF1: number;
  readonly perClass: readonly (PerClassScores & { readonly name: string })[];
  /** [true class][predicted class] */
  readonly confusion: ConfusionMatrix;
  /** null where only predictions were given. */
  readonly calibration: CalibrationReport | null;
}

function assertClasses(classes: readonly string[]): void {
  const subject = 'classificationReport';
  if (classes.length < 2) {
    throw new ConfigurationError({ subject, expected: 'at least two classes', received: String(classes.length) });
  }
  const twice = classes.find((name, index) => classes.indexOf(name) !== index);
  if (twice !== undefined) {
    throw new ConfigurationError({ subject, expected: 'each class once', received: `${JSON.stringify(twice)} twice` });
  }
}

function isPredictions(outputs: ClassIndices | Probabilities): outputs is ClassIndices {
  if ('shape' in outputs) return false;
  return typeof (outputs as ArrayLike<unknown>)[0] === 'number';
}

function calibrationOf(labels: ClassIndices, rows: Probabilities, classCount: number): CalibrationReport {
  const bins = reliabilityBins(labels, rows, classCount);
  return {
    expectedCalibrationError: calibrationError(bins),
    negativeLogLikelihood: negativeLogLikelihood(labels, rows, classCount),
    bins,
  };
}

/**
 * Measures one run on one set of posts.
 * @param labels one class index a post
 * @param outputs predictions (one class index a post), or probabilities [posts, classes] as rows or as a host tensor,
 * of which the largest is the prediction (the first of equal ones)
 * @param classes the data set's class names, in the order of its indices
 * @throws DataError for no posts, lengths that differ, an index that is no class, or probabilities that leave 0 … 1 or
 * do not sum to one; NonFiniteError for NaN; ConfigurationError for fewer than two classes or one named twice
 */
export function classificationReport(
  labels: ClassIndices,
  outputs: ClassIndices | Probabilities,
  classes: readonly string[],
): ClassificationReport {
  assertClasses(classes);
  const classCount = classes.length;
  const rows = isPredictions(outputs) ? null : probabilityRows('classificationReport', outputs, classCount);
  const predictions = rows === null ? (outputs as ClassIndices) : rows.map(argMax);
  const confusion = confusionMatrix(labels, predictions, classCount);
  const counts = countsOf(confusion);
  const perClass = classScores(confusion).map((scores, index) => ({ name: classes[index] as string, ...scores }));
  const count = labels.length;
  const right = confusion.reduce((sum, row, index) => sum + (row[index] as number), 0);
  return {
    count,
    classes: [...classes],
    accuracy: accuracyOf(counts),
    accuracyInterval: wilsonInterval(right, count),
    majorityAccuracy: Math.max(...perClass.map(({ support }) => support)) / count,
    weightedF1: weightedF1Of(counts),
    macroF1: macroF1Of(counts),
    perClass,
    confusion,
    calibration: rows === null ? null : calibrationOf(labels, rows, classCount),
  };
}
