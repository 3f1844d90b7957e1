import { describe, expect, it } from 'vitest';
import {
  assertFinite,
  floatData,
  hostScalar,
  hostTensor,
  NonFiniteError,
  ShapeMismatchError,
  sizeOf,
} from './index.js';

describe('sizeOf', () => {
  it('multiplies sizes; a scalar holds one number, an empty axis none', () => {
    expect([sizeOf([2, 3, 4]), sizeOf([]), sizeOf([5, 0, 2])]).toEqual([24, 1, 0]);
  });
});

describe('hostTensor', () => {
  it('makes float32 of a plain array and keeps typed arrays', () => {
    expect(hostTensor([0.1, 2], [2])).toEqual({ shape: [2], dtype: 'float32', data: Float32Array.of(0.1, 2) });
    const integers = Int32Array.of(1, 2);
    expect(hostTensor(integers, [2, 1])).toMatchObject({ shape: [2, 1], dtype: 'int32' });
    expect(hostTensor(integers, [2]).data).toBe(integers);
  });

  it('copies the shape, so that later changes do not reach it', () => {
    const shape = [1, 2];
    const host = hostTensor([1, 2], shape);
    shape[0] = 9;
    expect(host.shape).toEqual([1, 2]);
  });

  it('refuses numbers that do not fill the shape', () => {
    expect(() => hostTensor([1, 2, 3], [2, 2])).toThrow(ShapeMismatchError);
    expect(() => hostTensor([1, 2, 3], [2, 2])).toThrow(
      'hostTensor expected 4 numbers for shape [2, 2], received 3 numbers',
    );
    expect(() => hostTensor([], [])).toThrow('hostTensor expected 1 numbers for shape [], received 0 numbers');
  });

  it('wraps a single number', () => {
    expect(hostScalar(2.5)).toEqual({ shape: [], dtype: 'float32', data: Float32Array.of(2.5) });
  });
});

describe('floatData', () => {
  it('is the array itself, and refuses int32', () => {
    const data = Float32Array.of(1);
    expect(floatData(hostTensor(data, [1]))).toBe(data);
    expect(() => floatData(hostTensor(Int32Array.of(1), [1]))).toThrow('floatData expected float32, received int32');
  });
});

describe('assertFinite', () => {
  it('takes finite numbers and nothing', () => {
    expect(() => assertFinite('Test', [0, -1e38, 1e-45])).not.toThrow();
    expect(() => assertFinite('Test', [])).not.toThrow();
  });

  it.each([NaN, Infinity, -Infinity])('names the place of the first %d', (value) => {
    const run = (): void => assertFinite('Text features', [1, value, NaN], 'lower the learning rate');
    expect(run).toThrow(NonFiniteError);
    expect(run).toThrow(`Text features expected finite numbers, received ${value} at index 1; lower the learning rate`);
  });
});
