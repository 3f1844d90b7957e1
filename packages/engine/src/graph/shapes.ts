import { ShapeMismatchError } from '@drf/tensor';

export type Shape = readonly number[];

export function sameShape(a: Shape, b: Shape): boolean {
  return a.length === b.length && a.every((size, axis) => size === b[axis]);
}

/** The shape that NumPy broadcasting gives. @throws ShapeMismatchError when two sizes differ and neither is 1. */
export function broadcastShapes(shapes: readonly Shape[]): number[] {
  const rank = Math.max(0, ...shapes.map((shape) => shape.length));
  return Array.from({ length: rank }, (_, axis) => {
    let result = 1;
    for (const shape of shapes) {
      const size = shape[axis - rank + shape.length] ?? 1;
      if (size === 1 || size === result) continue;
      if (result !== 1) {
        throw new ShapeMismatchError({
          subject: 'broadcasting',
          expected: 'equal sizes or 1 along each axis',
          received: shapes.map((each) => `[${each.join(', ')}]`).join(' and '),
        });
      }
      result = size;
    }
    return result;
  });
}

/** A shape with ones in front up to a rank. */
export function padRank(shape: Shape, rank: number): number[] {
  return [...Array<number>(Math.max(0, rank - shape.length)).fill(1), ...shape];
}

/** Axis numbers from 0, also for those that count from the end. */
export function normalizeAxes(axes: Shape, rank: number): number[] {
  return axes.map((axis) => (axis < 0 ? axis + rank : axis));
}

export function rowMajorStrides(shape: Shape): number[] {
  const strides = Array<number>(shape.length).fill(1);
  for (let axis = shape.length - 2; axis >= 0; axis--) {
    strides[axis] = (strides[axis + 1] as number) * (shape[axis + 1] as number);
  }
  return strides;
}

/** The permutation that undoes one. */
export function invertPermutation(permutation: Shape): number[] {
  const inverse = Array<number>(permutation.length).fill(0);
  permutation.forEach((from, to) => (inverse[from] = to));
  return inverse;
}

export function isIdentity(permutation: Shape): boolean {
  return permutation.every((from, to) => from === to);
}

export function permute<T>(items: readonly T[], permutation: Shape): T[] {
  return permutation.map((from) => items[from] as T);
}

/** `count` whole numbers from `start`. */
export function range(start: number, count: number): number[] {
  return Array.from({ length: count }, (_, i) => start + i);
}

/**
 * The shape that a broadcast's base takes when the broadcast is reshaped from one shape to another, or undefined when
 * the two differ in more than axes of size 1 (a single number fits everywhere).
 */
export function reshapeBase(base: Shape, from: Shape, to: Shape): number[] | undefined {
  if (base.every((size) => size === 1)) return [];
  const padded = padRank(base, from.length);
  const larger = range(0, from.length).filter((axis) => from[axis] !== 1);
  if (
    !sameShape(
      larger.map((axis) => from[axis] as number),
      to.filter((size) => size !== 1),
    )
  )
    return undefined;
  const sizes = larger.map((axis) => padded[axis] as number);
  return to.map((size) => (size === 1 ? 1 : (sizes.shift() as number)));
}
