import { assertFinite, DataError, refuser, type HostTensor } from '@drf/tensor';

/** One class index a post. */
export type ClassIndices = ArrayLike<number>;

/** One row of class probabilities a post, [posts, classes]; or the same as one host tensor. */
export type Probabilities = readonly ArrayLike<number>[] | HostTensor;

const SUM_TOLERANCE = 1e-4; // a float32 softmax over a few classes stays within about 1e-6

/** @throws DataError when there is nothing to measure */
export function assertNotEmpty(subject: string, what: string, count: number): void {
  if (count === 0) {
    throw refuser(DataError, subject)(`at least one of ${what}`, 'none', 'check the split and its filters');
  }
}

/** @throws DataError when two lists that belong together differ in length */
export function assertSameLength(
  subject: string,
  names: readonly [string, string],
  first: number,
  second: number,
): void {
  if (first !== second) {
    throw new DataError({
      subject,
      expected: `as many ${names[1]} as ${names[0]} (${first})`,
      received: String(second),
      remedy: 'compare the same posts in the same order',
    });
  }
}

/** @throws DataError naming the first index that is no class */
export function assertClassIndices(subject: string, what: string, indices: ClassIndices, classCount: number): void {
  for (let i = 0; i < indices.length; i++) {
    const index = indices[i] as number;
    if (!Number.isInteger(index) || index < 0 || index >= classCount) {
      throw new DataError({
        subject,
        expected: `${what} from 0 to ${classCount - 1}`,
        received: `${index} at place ${i}`,
        remedy: 'check the number of classes',
      });
    }
  }
}

/** @throws DataError for no labels, another number of predictions, or an index that is no class */
export function assertLabelsAndPredictions(
  subject: string,
  labels: ClassIndices,
  predictions: ClassIndices,
  classCount: number,
): void {
  assertNotEmpty(subject, 'the labels', labels.length);
  assertSameLength(subject, ['labels', 'predictions'], labels.length, predictions.length);
  assertClassIndices(subject, 'labels', labels, classCount);
  assertClassIndices(subject, 'predictions', predictions, classCount);
}

function isHostTensor(probabilities: Probabilities): probabilities is HostTensor {
  return 'shape' in probabilities;
}

function splitRows(subject: string, tensor: HostTensor): ArrayLike<number>[] {
  const [posts, classes] = tensor.shape;
  if (tensor.shape.length !== 2 || posts === undefined || classes === undefined) {
    throw new DataError({ subject, expected: 'shape [posts, classes]', received: `[${tensor.shape.join(', ')}]` });
  }
  return Array.from({ length: posts }, (_, post) => tensor.data.subarray(post * classes, (post + 1) * classes));
}

function assertDistribution(subject: string, row: ArrayLike<number>, place: number, classCount: number): void {
  const fail = (expected: string, received: string): DataError =>
    new DataError({ subject: `${subject}, row ${place}`, expected, received, remedy: 'apply softmax to the logits' });
  if (row.length !== classCount) throw fail(`${classCount} probabilities`, String(row.length));
  assertFinite(`${subject}, row ${place}`, row, 'look for the step whose loss became non-finite');
  let sum = 0;
  for (let i = 0; i < classCount; i++) {
    const value = row[i] as number;
    if (value < 0 || value > 1 + SUM_TOLERANCE) throw fail('probabilities from 0 to 1', String(value));
    sum += value;
  }
  if (Math.abs(sum - 1) > SUM_TOLERANCE) throw fail('probabilities that sum to 1', String(sum));
}

/**
 * Checks probabilities and gives them as rows.
 * @throws DataError naming the row that has another number of classes, leaves 0 … 1 or does not sum to 1 (within 1e-4);
 * NonFiniteError naming the row that holds NaN or infinity
 */
export function probabilityRows(
  subject: string,
  probabilities: Probabilities,
  classCount: number,
): readonly ArrayLike<number>[] {
  const rows = isHostTensor(probabilities) ? splitRows(subject, probabilities) : probabilities;
  rows.forEach((row, place) => assertDistribution(subject, row, place, classCount));
  return rows;
}

/**
 * The class of the largest value; the first of equal ones.
 * @throws NonFiniteError where a value is NaN, which is larger than none: the first class would win
 */
export function argMax(row: ArrayLike<number>): number {
  let best = 0;
  for (let i = 0; i < row.length; i++) {
    const value = row[i] as number;
    if (Number.isNaN(value)) assertFinite('argMax', row, 'look for NaN or overflow where the values come from');
    if (value > (row[best] as number)) best = i;
  }
  return best;
}
