import { NonFiniteError, ShapeMismatchError } from './errors.js';

/** Number formats of host tensors. */
export type HostDtype = 'float32' | 'int32';

/** A tensor's numbers outside any engine: what is stored, cached, and passed in and out of a step. Row-major. */
export interface HostTensor {
  readonly shape: readonly number[];
  readonly dtype: HostDtype;
  readonly data: Float32Array | Int32Array;
}

/** How many numbers a shape holds: the product of its sizes, 1 for []. */
export function sizeOf(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1);
}

/**
 * Wraps numbers as a host tensor; a plain array becomes float32.
 * @throws ShapeMismatchError when the count of numbers does not fill the shape.
 */
export function hostTensor(data: Float32Array | Int32Array | readonly number[], shape: readonly number[]): HostTensor {
  const typed = data instanceof Float32Array || data instanceof Int32Array ? data : Float32Array.from(data);
  if (typed.length !== sizeOf(shape)) {
    throw new ShapeMismatchError({
      subject: 'hostTensor',
      expected: `${sizeOf(shape)} numbers for shape [${shape.join(', ')}]`,
      received: `${typed.length} numbers`,
    });
  }
  return { shape: [...shape], dtype: typed instanceof Int32Array ? 'int32' : 'float32', data: typed };
}

/** Wraps one number as a float32 host tensor of shape []. */
export function hostScalar(value: number): HostTensor {
  return hostTensor(Float32Array.of(value), []);
}

/** Float32 view of a host tensor's numbers. @throws ShapeMismatchError when it holds int32. */
export function floatData(tensor: HostTensor): Float32Array {
  if (tensor.data instanceof Float32Array) return tensor.data;
  throw new ShapeMismatchError({ subject: 'floatData', expected: 'float32', received: tensor.dtype });
}

/**
 * @throws NonFiniteError naming the subject and the place of the first NaN or infinity.
 */
export function assertFinite(subject: string, data: ArrayLike<number>, remedy?: string): void {
  for (let i = 0; i < data.length; i++) {
    if (!Number.isFinite(data[i])) {
      throw new NonFiniteError({ subject, expected: 'finite numbers', received: `${data[i]} at index ${i}`, remedy });
    }
  }
}
