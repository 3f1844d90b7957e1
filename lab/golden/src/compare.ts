import { floatData, type HostTensor } from '@drf/tensor';
import type { GoldenFile } from './golden-file.js';

/** Largest allowed relative error: of the forward pass, and of gradients and updates. */
const TOLERANCES = { forward: 1e-5, backward: 1e-4 } as const;

export interface Comparison {
  readonly quantity: string;
  /** Numbers compared. */
  readonly count: number;
  /** Largest |ours − golden| / max(|golden|, root mean square of golden); infinite where we have no such quantity. */
  readonly error: number;
  readonly tolerance: number;
  readonly passed: boolean;
}

/**
 * Compares every quantity of the file. Features, densities and pairs of a missing modality do not exist in the method
 * (its row may hold anything), so those rows are left out.
 */
export function compareAll(golden: GoldenFile, computed: ReadonlyMap<string, readonly number[]>): Comparison[] {
  return [...golden.expected].map(([quantity, expected]) => {
    const tolerance = /\.(gradients|adamw)\./.test(quantity) ? TOLERANCES.backward : TOLERANCES.forward;
    const actual = computed.get(quantity);
    const counts = existing(golden, quantity, expected.length);
    const error =
      actual === undefined || actual.length !== expected.length ? Infinity : relativeError(actual, expected, counts);
    const count = expected.filter((_, i) => counts(i)).length;
    return { quantity, count, error, tolerance, passed: error <= tolerance };
  });
}

/** Largest relative error over the numbers that count; NaN on either side is infinite. */
export function relativeError(
  actual: readonly number[],
  expected: readonly number[],
  counts: (index: number) => boolean = () => true,
): number {
  const counted = expected.filter((_, i) => counts(i));
  const scale = Math.sqrt(counted.reduce((sum, value) => sum + value * value, 0) / Math.max(1, counted.length));
  let largest = 0;
  expected.forEach((value, i) => {
    if (!counts(i)) return;
    const difference = Math.abs((actual[i] as number) - value);
    const error = difference === 0 ? 0 : difference / Math.max(Math.abs(value), scale);
    largest = Number.isNaN(error) ? Infinity : Math.max(largest, error);
  });
  return largest;
}

/** Which numbers of a quantity exist, by the availability of the modality that they are made from. */
function existing(golden: GoldenFile, quantity: string, length: number): (index: number) => boolean {
  const image = floatData(golden.inputs.imageAvailable as HostTensor);
  const text = floatData(golden.inputs.textAvailable as HostTensor);
  const perPost = length / image.length;
  const byRow = (mask: Float32Array) => (index: number) => mask[Math.floor(index / perPost)] === 1;
  switch (quantity) {
    case 'density.image':
    case 'density.recoveredText':
    case 'recovered.text':
      return byRow(image);
    case 'density.text':
    case 'density.recoveredImage':
    case 'recovered.image':
      return byRow(text);
    case 'fusedPairs': {
      const perPair = perPost / 3;
      return (index) => {
        const post = Math.floor(index / perPost);
        const pair = Math.floor((index % perPost) / perPair);
        return (pair === 2 || image[post] === 1) && (pair === 1 || text[post] === 1);
      };
    }
    default:
      return () => true;
  }
}
