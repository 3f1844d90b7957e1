/** By which power of the size something grows: slopes of its logarithm over that of the size. */
export interface Slopes {
  /** From each size to the next, one fewer than there are sizes. */
  readonly neighbors: readonly number[];
  /** Of the line through all sizes by least squares. */
  readonly all: number;
  /** Of that through the upper half of the sizes, two at least, where fixed costs weigh least. */
  readonly upper: number;
}

/**
 * Slopes of values over sizes, both above 0.
 * @param sizes two at least, ascending
 * @param values one for each
 * @example slopesOf([10, 100], [2, 200]) // { neighbors: [2], all: 2, upper: 2 }
 */
export function slopesOf(sizes: readonly number[], values: readonly number[]): Slopes {
  const points = sizes.map((size, i) => ({ x: Math.log(size), y: Math.log(values[i] as number) }));
  return {
    neighbors: points.slice(1).map((point, i) => slope(points.slice(i, i + 1).concat(point))),
    all: slope(points),
    upper: slope(points.slice(upperStart(sizes.length))),
  };
}

/** Where the upper half of so many sizes begins: of an odd number the middle one belongs to it. */
function upperStart(count: number): number {
  return Math.min(Math.floor(count / 2), count - 2);
}

/** By least squares. */
function slope(points: readonly { readonly x: number; readonly y: number }[]): number {
  const mean = (of: 'x' | 'y'): number => points.reduce((sum, point) => sum + point[of], 0) / points.length;
  const [x, y] = [mean('x'), mean('y')];
  const sum = (term: (point: { readonly x: number; readonly y: number }) => number): number =>
    points.reduce((total, point) => total + term(point), 0);
  return sum((point) => (point.x - x) * (point.y - y)) / sum((point) => (point.x - x) ** 2);
}
