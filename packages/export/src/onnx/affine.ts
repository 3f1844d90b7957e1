/** A number that depends on the size of an axis alone: offset + slope · size. */
export interface Affine {
  readonly offset: number;
  readonly slope: number;
}

/**
 * The whole numbers offset and slope that explain a number seen at several sizes (at least three: two always
 * lie on a line, the others confirm it). Undefined when there are none.
 */
export function fitAffine(sizes: readonly number[], numbers: readonly number[]): Affine | undefined {
  const [firstSize, secondSize] = sizes as readonly [number, number];
  const [first, second] = numbers as readonly [number, number];
  const slope = (second - first) / (secondSize - firstSize);
  const offset = first - slope * firstSize;
  const fits = sizes.every((size, i) => offset + slope * size === numbers[i]);
  return fits && Number.isInteger(slope) ? { offset, slope } : undefined;
}

/** {@link fitAffine} of each number of lists that are equally long. */
export function fitAffineList(
  sizes: readonly number[],
  lists: readonly (readonly number[])[],
): readonly Affine[] | undefined {
  const [first] = lists as readonly [readonly number[]];
  if (lists.some((list) => list.length !== first.length)) return undefined;
  const fitted = first.map((_, i) =>
    fitAffine(
      sizes,
      lists.map((list) => list[i] as number),
    ),
  );
  return fitted.every((each) => each !== undefined) ? fitted : undefined;
}
