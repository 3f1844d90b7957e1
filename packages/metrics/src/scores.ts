import { assertLabelsAndPredictions, type ClassIndices } from './checks.js';

/** One class against the rest. A quotient whose divisor is 0 counts as 0 (scikit-learn's `zero_division=0`). */
export interface PerClassScores {
  /** Of the posts predicted to be of the class, the share that is. */
  readonly precision: number;
  /** Of the posts of the class, the share that was found. */
  readonly recall: number;
  /** Harmonic mean of precision and recall. */
  readonly f1: number;
  /** Number of posts of the class. */
  readonly support: number;
  /** Number of posts predicted to be of the class. */
  readonly predicted: number;
}

const quotient = (part: number, whole: number): number => (whole === 0 ? 0 : part / whole);
const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);

/** Precision, recall, F1 and support of every class. */
export function classScores(confusion: ConfusionMatrix): PerClassScores[] {
  return confusion.map((row, index) => {
    const hits = row[index] as number;
    const support = sum(row);
    const predicted = sum(confusion.map((other) => other[index] as number));
    return {
      precision: quotient(hits, predicted),
      recall: quotient(hits, support),
      f1: quotient(2 * hits, predicted + support),
      support,
      predicted,
    };
  });
}

/** Share of posts on the diagonal. */
export function accuracyOf(confusion: ConfusionMatrix): number {
  return quotient(sum(confusion.map((row, index) => row[index] as number)), sum(confusion.map(sum)));
}

/** Mean of the classes' F1, each weighted by its support: the F1 of the paper's tables. */
export function weightedF1Of(confusion: ConfusionMatrix): number {
  const scores = classScores(confusion);
  return quotient(sum(scores.map(({ f1, support }) => f1 * support)), sum(scores.map(({ support }) => support)));
}

/**
 * Mean F1 of the classes that have posts. Of a class without any, nothing was measured: an F1 of 0 would speak of the
 * split, not of the answers. Posts taken for such a class still count, as misses of their own.
 */
export function macroF1Of(confusion: ConfusionMatrix): number {
  const present = classScores(confusion).filter(({ support }) => support > 0);
  return quotient(sum(present.map(({ f1 }) => f1)), present.length);
}

/** The metrics that follow from a confusion matrix. */
export const METRICS = { accuracy: accuracyOf, weightedF1: weightedF1Of, macroF1: macroF1Of } as const;
/** One of {@link METRICS}. */
export type MetricName = keyof typeof METRICS;

/** Share of posts whose prediction is their label. @throws DataError as {@link confusionMatrix} */
export function accuracy(labels: ClassIndices, predictions: ClassIndices, classCount: number): number {
  return accuracyOf(confusionMatrix(labels, predictions, classCount));
}

/** {@link weightedF1Of} of labels and predictions. @throws DataError as {@link confusionMatrix} */
export function weightedF1(labels: ClassIndices, predictions: ClassIndices, classCount: number): number {
  return weightedF1Of(confusionMatrix(labels, predictions, classCount));
}

/** {@link macroF1Of} of labels and predictions. @throws DataError as {@link confusionMatrix} */
export function macroF1(labels: ClassIndices, predictions: ClassIndices, classCount: number): number {
  return macroF1Of(confusionMatrix(labels, predictions, classCount));
}

/** Counts of posts, [true class][predicted class]. */
export type ConfusionMatrix = readonly (readonly number[])[];

/** Counts without checks, for inner loops. */
function countConfusion(labels: ClassIndices, predictions: ClassIndices, classCount: number): number[][] {
  const matrix = Array.from({ length: classCount }, () => new Array<number>(classCount).fill(0));
  for (let i = 0; i < labels.length; i++) {
    const row = matrix[labels[i] as number] as number[];
    row[predictions[i] as number] = (row[predictions[i] as number] as number) + 1;
  }
  return matrix;
}

/**
 * How many posts of each class were taken for which: rows are true classes, columns predictions.
 * @throws DataError for no labels, lists that differ in length, or an index that is no class
 */
export function confusionMatrix(labels: ClassIndices, predictions: ClassIndices, classCount: number): ConfusionMatrix {
  assertLabelsAndPredictions('confusionMatrix', labels, predictions, classCount);
  return countConfusion(labels, predictions, classCount);
}
