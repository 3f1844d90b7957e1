import { flattenTree, type HostTensor, type HostTree } from '@drf/tensor';

/** Pairs of the same leaf of two trees; nothing where they are not of one structure. */
function pairs(received: HostTree, expected: HostTree): (readonly [HostTensor, HostTensor])[] | undefined {
  const [given, wanted] = [flattenTree<HostTensor>(received), flattenTree<HostTensor>(expected)];
  if (given.size !== wanted.size) return undefined;
  const found: (readonly [HostTensor, HostTensor])[] = [];
  for (const [name, want] of wanted) {
    const got = given.get(name);
    if (got === undefined || String(got.shape) !== String(want.shape)) return undefined;
    found.push([got, want]);
  }
  return found;
}

/**
 * The largest difference of a number in any tensor, relative to the largest number of that tensor: max |a − b| / max |b|.
 * Infinite for NaN and for trees of other structure.
 */
export function largestDifference(received: HostTree, expected: HostTree): number {
  const differences = pairs(received, expected)?.map(([got, want]) => {
    let [largest, scale] = [0, 0];
    want.data.forEach((number, i) => {
      const difference = Math.abs((got.data[i] as number) - number);
      largest = Number.isNaN(difference) ? Infinity : Math.max(largest, difference);
      scale = Math.max(scale, Math.abs(number));
    });
    return largest === 0 ? 0 : largest / scale;
  });
  return differences === undefined ? Infinity : Math.max(0, ...differences);
}

/**
 * How far two trainings that began alike have come apart, relative to how far the second has come: ‖a − b‖ / ‖b − start‖ over
 * all numbers. Relative to the numbers themselves a training that does not move at all would hardly show.
 */
export function relativeDrift(received: HostTree, expected: HostTree, start: HostTree): number {
  const apart = squaredDistance(received, expected);
  return apart === 0 ? 0 : Math.sqrt(apart / squaredDistance(expected, start));
}

/** ‖a − b‖²; infinite for NaN and for trees of other structure. */
function squaredDistance(a: HostTree, b: HostTree): number {
  let sum = 0;
  for (const [one, other] of pairs(a, b) ?? []) {
    one.data.forEach((number, i) => (sum += (number - (other.data[i] as number)) ** 2));
  }
  return pairs(a, b) === undefined || Number.isNaN(sum) ? Infinity : sum;
}
