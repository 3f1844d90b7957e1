/** A number that depends on the batch size alone: offset + slope · batch. */
export interface Affine {
  readonly offset: number;
  readonly slope: number;
}

/**
 * The whole numbers offset and slope that explain a number seen at several batch sizes (at least three: two always
 * lie on a line, the others confirm it). Undefined when there are none.
 */
export function fitAffine(batches: readonly number[], numbers: readonly number[]): Affine | undefined {
  const [firstBatch, secondBatch] = batches as readonly [number, number];
  const [first, second] = numbers as readonly [number, number];
  const slope = (second - first) / (secondBatch - firstBatch);
  const offset = first - slope * firstBatch;
  const fits = batches.every((batch, i) => offset + slope * batch === numbers[i]);
  return fits && Number.isInteger(slope) ? { offset, slope } : undefined;
}

/** {@link fitAffine} of each number of lists that are equally long. */
export function fitAffineList(
  batches: readonly number[],
  lists: readonly (readonly number[])[],
): readonly Affine[] | undefined {
  const [first] = lists as readonly [readonly number[]];
  if (lists.some((list) => list.length !== first.length)) return undefined;
  const fitted = first.map((_, i) =>
    fitAffine(
      batches,
      lists.map((list) => list[i] as number),
    ),
  );
  return fitted.every((each) => each !== undefined) ? fitted : undefined;
}
