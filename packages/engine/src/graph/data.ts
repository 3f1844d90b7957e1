import { sizeOf } from '@drf/tensor';
import { padRank, permute, rowMajorStrides, type Shape } from './shapes.js';
import type { ElementData, ElementType } from './value.js';

const ARRAYS = {
  float32: Float32Array,
  int32: Int32Array,
  bool: Uint8Array,
  int64: BigInt64Array,
  int8: Int8Array,
  uint8: Uint8Array,
} as const satisfies Readonly<Record<ElementType, unknown>>;

/** An array for so many elements of a type, filled with zeros. */
function makeData(type: ElementType, size: number): ElementData {
  return new ARRAYS[type](size);
}

/**
 * Numbers in the array of their type, copied. tfjs's `cpu` backend may keep whole
 * numbers as float32 tensors after a cast.
 */
export function asType(type: ElementType, numbers: ElementData): ElementData {
  if (numbers instanceof ARRAYS[type]) return numbers.slice();
  const given: ArrayLike<number | bigint> = numbers;
  return type === 'int64' ? BigInt64Array.from(given, BigInt) : new ARRAYS[type](Array.from(given, Number));
}

/** Whether every element is the first one, bit for bit as far as arithmetic sees it. */
export function isUniform(data: ElementData): boolean {
  const first = data[0];
  for (let i = 1; i < data.length; i++) {
    if (!Object.is(data[i], first)) return false;
  }
  return data.length > 0;
}

/** Walks the source through strides, one output element after the other. */
function copyStrided<Data extends ElementData>(source: Data, target: Data, shape: Shape, strides: Shape): Data {
  const index = Array<number>(shape.length).fill(0);
  let from = 0;
  for (let to = 0; to < target.length; to++) {
    target[to] = source[from] as Data[number];
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      from += strides[axis] as number;
      index[axis] = (index[axis] as number) + 1;
      if ((index[axis] as number) < (shape[axis] as number)) break;
      from -= (strides[axis] as number) * (shape[axis] as number);
      index[axis] = 0;
    }
  }
  return target;
}

/** Constant data with its axes permuted. */
export function transposeData(data: ElementData, type: ElementType, shape: Shape, permutation: Shape): ElementData {
  const target = makeData(type, data.length);
  return copyStrided(data, target, permute(shape, permutation), permute(rowMajorStrides(shape), permutation));
}

/** Constant data repeated to a larger shape. */
export function expandData(data: ElementData, type: ElementType, from: Shape, to: Shape): ElementData {
  const padded = padRank(from, to.length);
  const strides = rowMajorStrides(padded).map((stride, axis) => (padded[axis] === 1 ? 0 : stride));
  return copyStrided(data, makeData(type, sizeOf(to)), to, strides);
}
