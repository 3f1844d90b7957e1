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

/** What is counted of a class: all that the scores rest on. */
export interface ClassCounts {
  /** Posts of the class that were found. */
  hits: number;
  /** Posts of the class. */
  support: number;
  /** Posts predicted to be of the class. */
  predicted: number;
}

/** Counts of every class, all 0. */
export function noCounts(classCount: number): ClassCounts[] {
  return Array.from({ length: classCount }, () => ({ hits: 0, support: 0, predicted: 0 }));
}

/** Counts of every class of a confusion matrix. */
export function countsOf(confusion: ConfusionMatrix): readonly ClassCounts[] {
  const counts = noCounts(confusion.length);
  confusion.forEach((row, truth) => {
    const own = counts[truth] as ClassCounts;
    own.hits = row[truth] as number;
    row.forEach((posts, answer) => {
      own.support += posts;
      (counts[answer] as ClassCounts).predicted += posts;
    });
  });
  return counts;
}

/** Precision, recall, F1 and support of every class. */
export function classScores(confusion: ConfusionMatrix): PerClassScores[] {
  return countsOf(confusion).map(({ hits, support, predicted }) => ({
    precision: quotient(hits, predicted),
    recall: quotient(hits, support),
    f1: f1Of({ hits, support, predicted }),
    support,
    predicted,
  }));
}

const f1Of = ({ hits, support, predicted }: ClassCounts): number => quotient(2 * hits, predicted + support);

/** Share of posts on the diagonal. */
export function accuracyOf(counts: readonly ClassCounts[]): number {
  return quotient(sum(counts.map(({ hits }) => hits)), sum(counts.map(({ support }) => support)));
}

/** Mean of the classes' F1, each weighted by its support: the F1 of the paper's tables. */
export function weightedF1Of(counts: readonly ClassCounts[]): number {
  return quotient(sum(counts.map((own) => f1Of(own) * own.support)), sum(counts.map(({ support }) => support)));
}

/**
 * Mean F1 of the classes that have posts. Of a class without any, nothing was measured: an F1 of 0 would speak of the
 * split, not of the answers. Posts taken for such a class still count, as misses of their own.
 */
export function macroF1Of(counts: readonly ClassCounts[]): number {
  const present = counts.filter(({ support }) => support > 0);
  return quotient(sum(present.map(f1Of)), present.length);
}

/** The metrics that follow from the counts of the classes. */
export const METRICS = { accuracy: accuracyOf, weightedF1: weightedF1Of, macroF1: macroF1Of } as const;
/** One of {@link METRICS}. */
export type MetricName = keyof typeof METRICS;

/** Share of posts whose prediction is their label. @throws DataError as {@link confusionMatrix} */
export function accuracy(labels: ClassIndices, predictions: ClassIndices, classCount: number): number {
  return accuracyOf(countsOf(confusionMatrix(labels, predictions, classCount)));
}

/** {@link weightedF1Of} of labels and predictions. @throws DataError as {@link confusionMatrix} */
export function weightedF1(labels: ClassIndices, predictions: ClassIndices, classCount: number): number {
  return weightedF1Of(countsOf(confusionMatrix(labels, predictions, classCount)));
}

/** {@link macroF1Of} of labels and predictions. @throws DataError as {@link confusionMatrix} */
export function macroF1(labels: ClassIndices, predictions: ClassIndices, classCount: number): number {
  return macroF1Of(countsOf(confusionMatrix(labels, predictions, classCount)));
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
