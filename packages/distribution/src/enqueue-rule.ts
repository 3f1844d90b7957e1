import { assertShape } from '@drf/tensor';

/** What decides whether a batch's features enter a queue. */
export interface EnqueueEvidence {
  /** λ of this modality: 1 present, 0 missing. [batch] */
  readonly available: ArrayLike<number>;
  /** Density of each feature in this modality's distribution, read before the step changed anything. [batch] */
  readonly density: ArrayLike<number>;
  /** Mean density of the rows in the queue, in the same unit as `density`. */
  readonly threshold: number;
  /** Whether the queue has been filled once. */
  readonly filledOnce: boolean;
}

/**
 * Eq. 13: an available feature enters if its density exceeds the mean density of the features in the queue; until the
 * queue has been filled once, every available feature enters. Densities may be relative or literal (Eq. 9), since
 * both sides carry the same factor.
 * @throws ShapeMismatchError when availability and densities differ in number
 */
export function acceptedRows(evidence: EnqueueEvidence): boolean[] {
  const { available, density, threshold, filledOnce } = evidence;
  assertShape('acceptedRows density', { shape: [density.length] }, [available.length]);
  return Array.from(available, (isAvailable, row) => {
    if (!(isAvailable > 0)) return false;
    return !filledOnce || (density[row] as number) > threshold;
  });
}
