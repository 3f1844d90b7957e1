import { sizeOf } from '@drf/tensor';

/**
 * A copy of row-major numbers with their axes in another order: axis i of the result is axis `order[i]` of the source.
 */
export function swapAxes(
  data: Float32Array | Int32Array,
  shape: readonly number[],
  order: readonly number[],
): Float32Array | Int32Array {
  const strides = shape.map((_, axis) => sizeOf(shape.slice(axis + 1)));
  const sizes = order.map((axis) => shape[axis] as number);
  const steps = order.map((axis) => strides[axis] as number);
  const result = data instanceof Float32Array ? new Float32Array(data.length) : new Int32Array(data.length);
  let position = 0;
  const walk = (axis: number, offset: number): void => {
    const [size, step] = [sizes[axis] as number, steps[axis] as number];
    if (axis === sizes.length - 1) {
      for (let i = 0; i < size; i++) result[position++] = data[offset + i * step] as number;
    } else {
      for (let i = 0; i < size; i++) walk(axis + 1, offset + i * step);
    }
  };
  walk(0, 0);
  return result;
}
