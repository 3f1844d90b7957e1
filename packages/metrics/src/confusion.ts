import { assertLabelsAndPredictions, type ClassIndices } from './checks.js';

/** Counts of posts, [true class][predicted class]. */
export type ConfusionMatrix = readonly (readonly number[])[];

/** Counts without checks, for inner loops. */
export function countConfusion(labels: ClassIndices, predictions: ClassIndices, classCount: number): number[][] {
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
